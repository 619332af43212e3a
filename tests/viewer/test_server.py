"""Ports, hosts and what is refused."""

import socket
import sys
from collections.abc import Iterator

import pytest

import glance3d
from glance3d.cli import main
from glance3d.errors import InputError, MissingExtraError, OutputError, SceneError
from glance3d.viewer.flight import between
from glance3d.viewer.server import free_port, page_address


@pytest.fixture
def busy() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_busy_port_is_passed_over(busy):
    assert free_port("127.0.0.1", busy) > busy


def test_a_free_port_is_taken(busy):
    port = free_port("127.0.0.1", 0)
    assert free_port("127.0.0.1", port) == port


@pytest.mark.parametrize(
    ("host", "port", "word"),
    [
        ("127.0.0.1", 70000, "65535"),
        ("127.0.0.1", -1, "0 \\(any free one\\)"),
        ("no.such.host.invalid", 8080, "no address"),
        ("192.0.2.1", 8080, "not an address of this machine"),
    ],
)
def test_what_cannot_be_listened_at_is_one_sentence(host, port, word):
    with pytest.raises(InputError, match=word):
        free_port(host, port)


def test_addresses_can_be_typed():
    assert page_address("127.0.0.1", 80) == "http://127.0.0.1:80"
    assert page_address("0.0.0.0", 80) == "http://localhost:80"
    assert page_address("::1", 80) == "http://[::1]:80"


def test_a_missing_library_names_the_extra(scene, monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(MissingExtraError, match=r"glance3d\[view\]"):
        glance3d.view(scene, open_browser=False, wait=False)


@pytest.mark.parametrize("option", [{"percentile": 100.0}, {"budget": 0}])
def test_numbers_outside_their_range_are_refused(scene, option):
    with pytest.raises(InputError):
        glance3d.view(scene, open_browser=False, wait=False, **option)


def test_a_missing_scene_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SceneError, match="no saved scene"):
        glance3d.view(tmp_path)
    assert main(["view", str(tmp_path), "--no-open"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no saved scene" in error


def test_no_port_left_is_one_sentence(monkeypatch):
    def in_use(host: str, port: int) -> int:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr("glance3d.viewer.server._bound_port", in_use)
    with pytest.raises(OutputError, match="8080 to 8179 are all in use"):
        free_port("127.0.0.1", 8080)


def test_flights_begin_and_end_where_they_should():
    import numpy as np

    from glance3d.viewer.display import Pose

    start = Pose(np.zeros(3), np.array([0.0, 0, 1]), 1.0)
    goal = Pose(np.array([0.0, 0, 2]), np.zeros(3), 0.5)
    assert np.allclose(between(start, goal, 0.0).position, start.position)
    assert np.allclose(between(start, goal, 1.0).look_at, goal.look_at)
    assert between(start, goal, 1.0).fov == 0.5
    for share in np.linspace(0, 1, 11):
        pose = between(start, goal, share)
        assert np.linalg.norm(pose.look_at - pose.position) > 1e-6


@pytest.mark.usefixtures("viser_installed")
def test_only_pages_of_this_machine_may_talk(scene):
    """A page on the internet, open in the same browser, must not read the photos."""
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    def knock(url: str, origin: str | None) -> None:
        with connect(url, origin=origin, subprotocols=[_protocol()]):
            pass

    with glance3d.view(scene, port=0, open_browser=False, wait=False) as viewer:
        url = viewer.url.replace("http", "ws")
        knock(url, f"http://localhost:{viewer.port}")
        knock(url, None)
        for origin in ("https://example.com", "http://localhost.example.com"):
            with pytest.raises(InvalidStatus, match="403"):
                knock(url, origin)


def _protocol() -> str:
    import viser

    return f"viser-v{viser.__version__}"
