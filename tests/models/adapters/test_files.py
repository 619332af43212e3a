"""Adapters on the disk: peft's format, read and written; what does not fit is refused."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import glance3d
from glance3d.errors import InputError, WeightsError
from glance3d.images import Preprocessing
from glance3d.models import ModelSource, Network, load_model
from glance3d.models.adapters.files import ADAPTER_FILES, load_adapter, save_adapter
from glance3d.models.adapters.layers import block_layers, lora_layers, merge_lora
from glance3d.models.config import da3_tiny, glance_small, tiny
from glance3d.reporting.making import describe_model
from glance3d.training import export_weights
from tests.models.adapters.networks import (
    outputs,
    pictures,
    small_network,
    tiny_steady,
    with_adapters,
)

CONFIG, WEIGHTS = ADAPTER_FILES


@pytest.fixture
def written(tmp_path: Path) -> tuple[Network, Path]:
    network = with_adapters(small_network(tiny_steady()), spread=0.05)
    save_adapter(network, tmp_path / "adapter")
    return network, tmp_path / "adapter"


def equal_adapters(one: Network, other: Network) -> bool:
    mine, theirs = lora_layers(one), lora_layers(other)
    return mine.keys() == theirs.keys() and all(
        lora.scale == pytest.approx(theirs[name].scale)
        and torch.equal(lora.lora_A, theirs[name].lora_A)
        and torch.equal(lora.lora_B, theirs[name].lora_B)
        for name, lora in mine.items()
    )


def test_what_is_written_is_read(written: tuple[Network, Path]) -> None:
    network, folder = written
    for path in (folder, folder / WEIGHTS):
        other = small_network(tiny_steady())
        record = load_adapter(other, path)
        assert equal_adapters(network, other)
        assert (record.rank, record.num_layers) == (3, len(block_layers(network)))


def test_files_have_the_names_that_peft_gives(written: tuple[Network, Path]) -> None:
    network, folder = written
    record = json.loads((folder / CONFIG).read_text())
    assert (record["peft_type"], record["r"], record["lora_alpha"]) == ("LORA", 3, 6.0)
    assert record["target_modules"] == list(block_layers(network))
    names = {
        f"base_model.model.{layer}.lora_{part}.weight"
        for layer in block_layers(network)
        for part in "AB"
    }
    assert set(load_file(folder / WEIGHTS)) == names


def test_peft_reads_ours_and_merges_to_the_same(written: tuple[Network, Path]) -> None:
    peft = pytest.importorskip("peft")
    network, folder = written
    theirs = peft.PeftModel.from_pretrained(small_network(tiny_steady()), str(folder))
    images = pictures()
    merged = theirs.merge_and_unload()
    merge_lora(network)
    expected = outputs(network, images)
    for name, value in outputs(merged, images).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-4)


def test_peft_computes_the_same_beside_the_weights(written: tuple[Network, Path]) -> None:
    """Its wrapped layers add what they add after the layer: no activation may be inside."""
    peft = pytest.importorskip("peft")
    network, folder = written
    theirs = peft.PeftModel.from_pretrained(small_network(tiny_steady()), str(folder)).eval()
    images, expected = pictures(), outputs(network, pictures())
    with torch.no_grad():
        found = outputs(theirs.get_base_model(), images)
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name].detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"alpha_pattern": {"qkv": 5}}])
def test_ours_reads_what_peft_wrote(options: dict[str, Any], tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(
        r=4, lora_alpha=8, target_modules=["qkv", "fc1"], init_lora_weights=False, **options
    )
    torch.manual_seed(3)
    theirs = peft.get_peft_model(small_network(da3_tiny()), config)
    theirs.save_pretrained(tmp_path)
    ours = small_network(da3_tiny())
    record = load_adapter(ours, tmp_path)
    assert record.rank == 4
    merge_lora(ours)
    expected, images = theirs.merge_and_unload(), pictures()
    for name, value in outputs(ours, images).items():
        torch.testing.assert_close(value, outputs(expected, images)[name], rtol=1e-4, atol=1e-4)


def test_layers_may_have_the_published_names(tmp_path: Path) -> None:
    network = with_adapters(small_network(da3_tiny()))
    save_adapter(network, tmp_path / "ours")
    renamed = {
        name.replace("model.backbone.", "model.model.backbone.pretrained."): tensor
        for name, tensor in load_file(tmp_path / "ours" / WEIGHTS).items()
        if ".backbone." in name
    }
    shutil.copytree(tmp_path / "ours", tmp_path / "published")
    save_file(renamed, tmp_path / "published" / WEIGHTS)
    other = small_network(da3_tiny())
    load_adapter(other, tmp_path / "published")
    assert set(lora_layers(other)) == {n for n in lora_layers(network) if n.startswith("backbone.")}


def change(folder: Path, **fields: Any) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peft_type": "LOHA"}, "of the type LORA, got 'LOHA'"),
        ({"use_dora": True}, "a plain LoRA of linear layers, got one with DoRA"),
        ({"bias": "all"}, "got one with biases"),
        ({"modules_to_save": ["head"]}, "got one with whole layers"),
        ({"r": "four"}, "r of .* must be a number above 0, got four"),
        ({"lora_alpha": -1}, "lora_alpha of .* must be a number above 0, got -1"),
        ({"base_model_name_or_path": "vggt-1b"}, "is for vggt-1b, got the network tiny"),
    ],
)
def test_other_kinds_are_refused(
    written: tuple[Network, Path], fields: dict[str, Any], message: str
) -> None:
    change(written[1], **fields)
    other = small_network(tiny_steady())
    with pytest.raises(WeightsError, match=message):
        load_adapter(other, written[1])
    assert not lora_layers(other)


def test_an_adapter_for_another_network_is_refused(written: tuple[Network, Path]) -> None:
    with pytest.raises(WeightsError, match="does not fit da3-tiny, which has no linear layers"):
        load_adapter(small_network(da3_tiny()), written[1])


@pytest.mark.parametrize("kind", ["shape", "half", "strange", "infinite"])
def test_damaged_adapters_are_refused(written: tuple[Network, Path], kind: str) -> None:
    _, folder = written
    tensors = load_file(folder / WEIGHTS)
    name = next(name for name in tensors if name.endswith("lora_B.weight"))
    if kind == "shape":
        tensors[name] = tensors[name][:-1]
    elif kind == "half":
        del tensors[name]
    elif kind == "infinite":
        tensors[name][0, 0] = torch.inf
    else:
        tensors["base_model.model.other"] = torch.zeros(2)
    save_file(tensors, folder / WEIGHTS)
    messages = {
        "shape": "must be for a weight of",
        "half": "only one of two tensors",
        "infinite": "must hold finite numbers",
        "strange": "must hold lora_A and lora_B",
    }
    other = small_network(tiny_steady())
    with pytest.raises(WeightsError, match=messages[kind]):
        load_adapter(other, folder)
    assert not lora_layers(other)


def test_a_loaded_network_has_it_in_its_weights_and_says_so(tmp_path: Path) -> None:
    config = glance_small()
    network = with_adapters(load_model("glance-small", device="cpu"), spread=0.02)
    save_adapter(network, tmp_path / "mine")
    source = ModelSource("glance-small", device="cpu", adapter=tmp_path / "mine")
    loaded = source.load()
    assert not lora_layers(loaded)
    merge_lora(network)
    name = f"{block_layers(network)[0]}.weight"
    assert torch.equal(loaded.state_dict()[name], network.state_dict()[name])
    assert not torch.equal(
        load_model("glance-small", device="cpu").state_dict()[name], loaded.state_dict()[name]
    )
    described = describe_model(loaded).adapter
    assert described is not None
    assert described.file == f"mine/{WEIGHTS}"
    assert (described.rank, described.num_layers) == (3, len(block_layers(network)))
    assert loaded.described_name == f"{config.name} with adapter {str(described.sha256)[:12]}"


def test_a_scene_is_made_with_it(tmp_path: Path) -> None:
    photos = [(pictures(64, 1)[0, 0].permute(1, 2, 0) * 255).byte().numpy() for _ in range(2)]
    save_adapter(with_adapters(load_model("glance-small", device="cpu")), tmp_path)
    small = Preprocessing(size=64, patch_size=16)
    scene = glance3d.reconstruct(photos, preprocess=small, device="cpu", adapter=tmp_path)
    used = scene.report.to_json()["model"]["adapter"]
    assert used["sha256"] == hashlib.sha256((tmp_path / WEIGHTS).read_bytes()).hexdigest()


def test_a_source_refuses_early(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="an adapter must be a folder with adapter_config"):
        ModelSource("glance-small", adapter=tmp_path)
    save_adapter(with_adapters(small_network(tiny())), tmp_path)
    change(tmp_path, base_model_name_or_path="da3-small")
    with pytest.raises(WeightsError, match="is for da3-small, got the network glance-small"):
        ModelSource("glance-small", adapter=tmp_path)
    with pytest.raises(WeightsError, match="must allow commercial use"):
        ModelSource("glance-small", adapter=tmp_path, commercial_only=True)
    with pytest.raises(InputError, match="an adapter must come with a model's name"):
        ModelSource(small_network(tiny()), adapter=tmp_path)


def test_other_weights_than_it_was_trained_on_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = with_adapters(load_model("glance-small", device="cpu"))
    export_weights(load_model("glance-small", device="cpu"), tmp_path / "older.safetensors")
    save_adapter(network, tmp_path / "adapter")
    with safe_open(tmp_path / "adapter" / WEIGHTS, "pt") as file:
        assert file.metadata()["format"] == "pt"
    load_model("glance-small", device="cpu", adapter=tmp_path / "adapter")
    assert "another file of weights" not in caplog.text
    load_model("glance-small", tmp_path / "older.safetensors", "cpu", adapter=tmp_path / "adapter")
    assert "another file of weights than older.safetensors" in caplog.text
