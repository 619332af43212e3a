"""Weights from a hub that runs on this machine: fetched, continued, verified, used offline."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save

from glance3d.errors import WeightsError
from glance3d.models import ModelSource, build_model, load_model
from glance3d.models.config import tiny
from glance3d.models.weights.cards import CARDS
from glance3d.models.weights.fetch import find_weights
from glance3d.models.weights.files import save_weights
from tests.models.hub_server import COMMIT, Hub, running_hub

NAME = "someone/tiny/model.safetensors"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    torch.manual_seed(0)
    model = build_model(tiny())
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(model, path, model.config)
    return path.read_bytes()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hub"


@pytest.fixture
def hub(content: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as hub:
        hub.files[NAME] = content
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
        monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
        know_tiny(monkeypatch)
        yield hub


def know_tiny(monkeypatch: pytest.MonkeyPatch, **changes) -> None:
    card = replace(
        CARDS["vggt-1b"], name="tiny", build_config=tiny, source="someone/tiny", **changes
    )
    monkeypatch.setitem(CARDS, "tiny", card)


def partial_files(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.partial*"))


def test_what_is_fetched_is_used_offline(hub: Hub, content: bytes, cache: Path) -> None:
    path = ModelSource("tiny").fetch()
    assert path.read_bytes() == content
    assert path.is_relative_to(cache)
    assert COMMIT in path.parts  # where the hub's own client keeps it
    assert not partial_files(cache)
    hub.files.clear()
    num_requests = hub.requests
    assert load_model("tiny").weights_path == path
    assert ModelSource("tiny").fetch() == path
    assert find_weights(CARDS["tiny"]) == path
    assert hub.requests == num_requests


def test_a_network_is_fetched_when_it_is_loaded(hub: Hub, content: bytes) -> None:
    loaded = load_model("tiny")
    assert loaded.weights_path is not None
    assert loaded.weights_path.read_bytes() == content
    assert hub.ranges == [None]


def test_a_cut_download_goes_on_in_the_same_run(hub: Hub, content: bytes) -> None:
    hub.cut_after = len(content) // 2 + 1000
    assert ModelSource("tiny").fetch().read_bytes() == content
    assert len(hub.ranges) == 2
    first, second = hub.ranges
    assert first is None
    assert second is not None
    assert int(second.removeprefix("bytes=").removesuffix("-")) > len(content) // 2 - 1000


def test_a_later_run_goes_on_where_one_was_cut(
    hub: Hub, content: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cut_after = 5500
    with monkeypatch.context() as network:
        network.setattr("huggingface_hub.file_download.http_stream_backoff", only_once())
        with pytest.raises(WeightsError, match="goes on where this stopped"):
            ModelSource("tiny").fetch()
    (partial,) = partial_files(cache)
    begun = partial.stat().st_size
    assert 4000 < begun <= 5500
    assert partial.read_bytes() == content[:begun]
    assert find_weights(CARDS["tiny"]) is None
    hub.cut_after = None
    assert ModelSource("tiny").fetch().read_bytes() == content
    assert hub.ranges == [None, f"bytes={begun}-"]


def test_what_came_before_a_stop_is_kept(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(url: str, file, **options) -> None:
        file.write(b"begun")
        raise KeyboardInterrupt

    monkeypatch.setattr("huggingface_hub.file_download.http_get", stopped)
    with pytest.raises(KeyboardInterrupt) as caught:
        ModelSource("tiny").fetch()
    assert caught.value.__notes__ == ["what has come of tiny is kept: fetch it again to go on"]
    assert [path.read_bytes() for path in partial_files(cache)] == [b"begun"]


def only_once():
    """The client's own way to open a stream; the network is gone from the second time on."""
    import httpx2
    from huggingface_hub import file_download

    real, calls = file_download.http_stream_backoff, []

    def open_stream(**arguments):
        calls.append(arguments)
        if len(calls) > 1:
            raise httpx2.ConnectError("no network")
        return real(**arguments)

    return open_stream


def test_a_server_that_begins_anew_is_understood(hub: Hub, content: bytes, cache: Path) -> None:
    blobs = cache / "models--someone--tiny" / "blobs"
    blobs.mkdir(parents=True)
    begun = blobs / f"{hub.announced_sha256(NAME)}.partial.safetensors"
    begun.write_bytes(content[:3000])
    hub.knows_ranges = False
    assert ModelSource("tiny").fetch().read_bytes() == content
    assert hub.ranges == ["bytes=3000-"]


def test_a_partial_file_that_is_too_long_is_begun_anew(
    hub: Hub, content: bytes, cache: Path
) -> None:
    blobs = cache / "models--someone--tiny" / "blobs"
    blobs.mkdir(parents=True)
    begun = blobs / f"{hub.announced_sha256(NAME)}.partial.safetensors"
    begun.write_bytes(content + b"more")
    assert ModelSource("tiny").fetch().read_bytes() == content
    assert hub.ranges == [None]


def test_damaged_bytes_are_refused_and_deleted(hub: Hub, content: bytes, cache: Path) -> None:
    hub.sent[NAME] = content[:-4] + b"\0\1\2\3"
    with pytest.raises(WeightsError, match=r"is not the file of tiny.*SHA-256.*must be"):
        load_model("tiny")
    assert not partial_files(cache)
    assert find_weights(CARDS["tiny"]) is None
    hub.sent.clear()
    assert ModelSource("tiny").fetch().read_bytes() == content


@pytest.mark.parametrize(
    "recorded", [{"sha256": "0" * 64}, {"size_bytes": 17}], ids=["sha256", "size"]
)
def test_another_file_than_the_recorded_one_is_not_even_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, recorded: dict
) -> None:
    know_tiny(monkeypatch, **recorded)
    with pytest.raises(WeightsError, match="is not the file that is recorded for tiny"):
        ModelSource("tiny").fetch()
    assert hub.ranges == []


def test_a_recorded_hash_holds_where_the_server_names_none(
    hub: Hub, content: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_tiny(monkeypatch, sha256="0" * 64)
    monkeypatch.setattr(Hub, "announced_sha256", lambda self, name: "an-etag-of-a-mirror")
    with pytest.raises(WeightsError, match=r"SHA-256 of tiny must be 0000"):
        ModelSource("tiny").fetch()
    know_tiny(monkeypatch, size_bytes=len(content))
    assert ModelSource("tiny").fetch().read_bytes() == content


def test_what_lies_in_the_cache_is_verified_by_a_fetch(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ModelSource("tiny").fetch()
    know_tiny(monkeypatch, sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"delete .* and fetch it again"):
        ModelSource("tiny").fetch()


def test_a_file_of_another_network_is_refused(hub: Hub, cache: Path) -> None:
    hub.files[NAME] = save({"surprise": torch.zeros(3)})
    with pytest.raises(WeightsError, match=r"deleted: .* does not fit this network.*surprise"):
        ModelSource("tiny").fetch()
    assert find_weights(CARDS["tiny"]) is None
    assert not partial_files(cache)


def test_gated_missing_and_strange_repositories_are_one_sentence(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal() -> str:
        with pytest.raises(WeightsError) as caught:
            ModelSource("tiny").fetch()
        text = str(caught.value)
        assert len(text.splitlines()) == 1
        return text

    hub.gated.add("someone/tiny")
    assert "wants its licence accepted first" in refusal()
    hub.gated.clear()
    hub.names_content = False
    assert "does not say which file" in refusal()
    hub.files = {"someone/tiny/other.bin": b""}
    assert "has no file model.safetensors" in refusal()
    hub.files = {}
    assert "there is no repository" in refusal()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids" in refusal()


@pytest.mark.long
def test_the_hubs_own_variables_hold(hub: Hub, content: bytes, tmp_path: Path) -> None:
    """In a process of its own, since the client reads them when it is imported."""
    code = (
        "from dataclasses import replace\n"
        "from glance3d.models.config import tiny\n"
        "from glance3d.models.weights.cards import CARDS\n"
        "from glance3d.cli import main\n"
        "CARDS['tiny'] = replace(CARDS['vggt-1b'], name='tiny', build_config=tiny,\n"
        "                        source='someone/tiny')\n"
        "raise SystemExit(main(['models', '--fetch', 'tiny']))\n"
    )
    environment = os.environ | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGINGFACE_HUB_CACHE"):
        environment.pop(name, None)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.split("verified: ")[1].strip())
    assert path.is_relative_to(tmp_path / "home" / "hub")
    assert path.read_bytes() == content
    assert hub.endpoint in done.stderr
