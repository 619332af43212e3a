"""The endpoints of NodeODM, asked by its own client (pyodm)."""

import json
import zipfile

import pytest

from tests.conftest import PATIENCE
from tests.service.servers import served

pyodm = pytest.importorskip("pyodm", reason="pyodm is not installed")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with served(tmp_path_factory.mktemp("service"), with_token=True) as client:
        yield client


@pytest.fixture
def node(guarded):
    token = guarded.address.rpartition("token=")[2]
    return pyodm.Node("127.0.0.1", guarded.port, token, timeout=PATIENCE)


@pytest.fixture
def images(tmp_path):
    paths = []
    for name in ("one.jpg", "two.jpg", "three.jpg"):
        (tmp_path / name).write_bytes(b"some bytes")
        paths.append(str(tmp_path / name))
    return paths


def test_a_node_says_what_it_is(node):
    info = node.info()
    assert (info.engine, info.max_images, info.max_parallel_tasks) == ("glance3d", 2000, 1)
    assert info.available_memory > 0
    options = {option.name: option for option in node.options()}
    assert options["model"].domain == ["glance-small"]
    assert options["refine"].value == "true"


def test_the_token_is_asked_for(guarded):
    with pytest.raises(pyodm.exceptions.NodeResponseError, match="Unauthorized"):
        pyodm.Node("127.0.0.1", guarded.port, "wrong").info()


def test_a_task_from_images_to_its_archive(node, images, tmp_path):
    shares = []
    options = {"refine": False, "formats": "tum", "dsm": True}
    task = node.create_task(images, options, name="a roof", progress_callback=shares.append)
    task.wait_for_completion(interval=0.05)
    info = task.info(with_output=1)
    assert (info.status.name, info.name, info.images_count) == ("COMPLETED", "a roof", 3)
    assert info.progress == 100
    assert info.output == ["two", "three"]
    assert {one["name"]: one["value"] for one in info.options}["formats"] == "tum"
    assert task.output(-1) == ["three"]
    assert shares[-1] == 100
    archive = task.download_zip(str(tmp_path / "out"))
    with zipfile.ZipFile(archive) as packed:
        assert packed.read("points.ply") == b"ply" * 1000
    assert task.remove()
    with pytest.raises(pyodm.exceptions.NodeResponseError, match="no such job"):
        task.info()


def test_a_task_is_cancelled_and_restarted_with_other_options(node, images, tmp_path):
    (tmp_path / "slow.png").write_bytes(b"x")
    task = node.create_task([*images, str(tmp_path / "slow.png")], name="slow")
    with pytest.raises(pyodm.exceptions.NodeResponseError, match="cancel it first"):
        task.restart()
    assert task.cancel()
    assert task.info().status.name == "CANCELED"
    assert task.restart({"refine": False})
    assert task.info().status.name in ("QUEUED", "RUNNING")
    assert {one["name"] for one in task.info().options} == {"model"}
    assert task.remove()


def test_a_failure_is_told(node, tmp_path):
    (tmp_path / "refused.png").write_bytes(b"x")
    task = node.create_task([str(tmp_path / "refused.png")], name="fog")
    with pytest.raises(pyodm.exceptions.TaskFailedError):
        task.wait_for_completion(interval=0.05)
    assert task.info().last_error.startswith("photos must be sharp")


def test_what_is_no_image_is_refused_once(node, tmp_path):
    (tmp_path / "gcp_list.txt").write_text("WGS84 UTM 32N")
    with pytest.raises(pyodm.exceptions.OdmError, match="photos, clips or zips"):
        node.create_task([str(tmp_path / "gcp_list.txt")], name="gcp", max_retries=0)


def test_one_request_may_be_all(guarded):
    token = guarded.address.rpartition("token=")[2]
    given = "11111111-2222-3333-4444-555555555555"
    options = json.dumps([{"name": "refine", "value": "false"}]).encode()
    answer = guarded.send(
        f"/task/new?token={token}",
        ("name", None, b"at once"),
        ("options", None, options),
        ("images", "a.jpg", b"some bytes"),
        set_uuid=given,
    )
    assert answer.json == {"uuid": given}
    listed = guarded.get(f"/task/list?token={token}").json
    assert {"uuid": given} in listed
    again = guarded.send(f"/task/new?token={token}", ("images", "a.jpg", b"x"), set_uuid="../x")
    assert "UUID" in again.json["error"]
