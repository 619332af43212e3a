"""Files of weights from anywhere: a network, or one sentence, and soon."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from glance3d.errors import WeightsError
from glance3d.models import build_model, config, load_model
from glance3d.models.config import ModelConfig, tiny
from glance3d.models.weights.files import CONFIG_KEY, load_weights, read_config
from glance3d.models.weights.partial import load_partial_weights

CPU = torch.device("cpu")


def _carrying(changes: dict[str, Any], path: Path) -> Path:
    """A file whose config differs from ``tiny`` at these dotted names; ... leaves a name out."""
    record = json.loads(json.dumps(tiny().to_dict()))
    for name, value in changes.items():
        *above, last = name.split(".")
        part = record
        for key in above:
            part = part[key]
        if value is ...:
            del part[last]
        else:
            part[last] = value
    save_file({}, path, metadata={CONFIG_KEY: json.dumps(record)})
    return path


@pytest.mark.parametrize("make", [config.tiny, config.glance_small, config.vggt_1b])
def test_configs_of_ours_go_there_and_back(make) -> None:
    assert ModelConfig.from_dict(json.loads(json.dumps(make().to_dict()))) == make()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aggregator.depth", 10_000_000),
        ("aggregator.depth", True),
        ("aggregator.depth", 4.0),
        ("aggregator.depth", "4"),
        ("aggregator.num_heads", 0),
        ("aggregator.num_heads", 3),
        ("aggregator.mlp_ratio", float("nan")),
        ("aggregator.mlp_ratio", 1e18),
        ("aggregator.order", ["frame", 3]),
        ("aggregator.order", "frame"),
        ("aggregator.qkv_bias", 1),
        ("aggregator.num_register_tokens", 2**62),
        ("aggregator", None),
        ("aggregator", [1]),
        ("aggregator.surprise", 1),
        ("camera.num_heads", 7),
        ("camera.start", "nowhere"),
        ("camera.start", ["empty"]),
        ("depth.layers", [0, 1, 2, 4]),
        ("depth.layers", [[0], 1, 2, 3]),
        ("depth.channels", [16, 32, 48, -48]),
        ("depth.features", 10**9),
        ("embed_dim", 2**40),
        ("embed_dim", -64),
        ("name", 5),
        ("name", "x" * 1000),
        ("name", ...),
        ("patch_size", 0),
        ("patch_embed", ...),
        ("patch_embed.kind", "fourier"),
        ("patch_embed.kind", []),
        ("patch_embed.image_size", 3),
        ("patch_embed.num_heads", 5),
        ("tracks.hidden_dim", 47),
        ("tracks.pyramid_levels", 10**6),
        ("tracks.latent_dim", 31),
    ],
)
def test_a_config_that_makes_no_network_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    path = _carrying({name: value}, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError, match="config that cannot be used") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "3", '{"name": "tiny"}', "null"])
def test_a_config_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    save_file({}, tmp_path / "a.safetensors", metadata={CONFIG_KEY: text})
    with pytest.raises(WeightsError):
        read_config(tmp_path / "a.safetensors")


def test_a_network_larger_than_its_file_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _carrying({"aggregator.depth": 200}, tmp_path / "deep.safetensors")
    monkeypatch.setattr("glance3d.models.zoo.network_of", None)
    with pytest.raises(WeightsError, match="fewer than the"):
        load_model(path)


def test_whole_numbers_stand_for_numbers(tmp_path: Path) -> None:
    changes = {"aggregator.mlp_ratio": 4, "aggregator.init_values": 1}
    whole = read_config(_carrying(changes, tmp_path / "a.safetensors"))
    assert whole is not None
    assert (whole.aggregator.mlp_ratio, whole.aggregator.init_values) == (4.0, 1.0)
    assert isinstance(whole.aggregator.init_values, float)


def _state() -> dict[str, torch.Tensor]:
    return {"a": torch.zeros(3)}


PICKLES: dict[str, Any] = {
    "a list": [torch.zeros(3)],
    "other keys": {1: torch.zeros(3)},
    "other values": {"a": 3},
    "whole numbers": {"a": torch.zeros(3, dtype=torch.int64)},
    "complex numbers": {"a": torch.zeros(3, dtype=torch.complex64)},
    "no storage": {"a": torch.empty(10**9, 10**6, device="meta")},
    "sparse": {"a": torch.eye(3).to_sparse()},
}


@pytest.mark.parametrize("kind", PICKLES)
def test_what_is_no_dictionary_of_plain_tensors_is_refused(kind: str, tmp_path: Path) -> None:
    torch.save(PICKLES[kind], tmp_path / "a.pt")
    with pytest.raises(WeightsError):
        load_weights(torch.nn.Linear(3, 1), tmp_path / "a.pt", CPU)


def test_a_compressed_archive_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000, 1000)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in plain.infolist():
            bomb.writestr(entry.filename, plain.read(entry))
    with pytest.raises(WeightsError, match="compressed"):
        load_weights(torch.nn.Linear(3, 1), tmp_path / "bomb.pt", CPU)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "empty", "text", "cut short"])
def test_what_is_no_file_of_weights_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "cut short":
        save = save_file if name.endswith("safetensors") else torch.save
        save(_state(), path)
        path.write_bytes(path.read_bytes()[:-10])
    else:
        path.write_text("" if kind == "empty" else "weights")
    with pytest.raises(WeightsError):
        load_weights(torch.nn.Linear(3, 1), path, CPU)
    with pytest.raises(WeightsError):
        load_partial_weights(torch.nn.Linear(3, 1), path)


def test_whole_numbers_in_a_safetensors_file_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1, 3, dtype=torch.int32)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="floating-point"):
        load_partial_weights(torch.nn.Linear(3, 1), tmp_path / "a.safetensors")


def test_names_of_tensors_are_shown_as_text(tmp_path: Path) -> None:
    save_file({"\x1b[2J\n\u202e": torch.zeros(3)}, tmp_path / "a.safetensors")
    for load in (
        lambda: load_weights(build_model(tiny(), "meta"), tmp_path / "a.safetensors", CPU),
        lambda: load_partial_weights(torch.nn.Linear(3, 1), tmp_path / "a.safetensors"),
    ):
        with pytest.raises(WeightsError) as caught:
            load()
        assert str(caught.value).isprintable()
