"""Weights in and out: names, licences, broken files, memory."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from glance3d.errors import InputError, WeightsError
from glance3d.models import VGGT, build_model, list_cards, load_model, zoo
from glance3d.models.architectures import network_of
from glance3d.models.config import CorrespondenceConfig, ModelConfig, glance_small, tiny
from glance3d.models.weights.cards import CARDS, Ability, is_good_at
from glance3d.models.weights.files import read_config, save_weights
from tests.golden_weights import fill_with_golden_weights

IMAGES = torch.rand(2, 3, 56, 70, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model() -> VGGT:
    model = build_model(tiny()).eval()
    fill_with_golden_weights(model)
    return model


@pytest.fixture
def weights_file(model: VGGT, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_weights(model, path, model.config, step="12")
    return path


@pytest.fixture
def plain_state(weights_file: Path) -> dict[str, torch.Tensor]:
    return load_file(weights_file)


@pytest.fixture
def tiny_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    card = replace(CARDS["vggt-1b"], name="tiny", build_config=tiny, source="someone/tiny")
    monkeypatch.setitem(CARDS, "tiny", card)


def depth_of(model: VGGT) -> torch.Tensor:
    with torch.inference_mode():
        return model(IMAGES, outputs=("depth",)).depth


def test_a_file_of_ours_needs_no_name(model: VGGT, weights_file: Path) -> None:
    loaded = load_model(weights_file)
    assert loaded.config == model.config == read_config(weights_file)
    assert torch.equal(depth_of(loaded), depth_of(model))
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


def test_a_file_of_a_known_network_wants_photos_as_its_namesake_does(tmp_path: Path) -> None:
    small = build_model(glance_small())
    save_weights(small, tmp_path / "mine.safetensors", small.config)
    loaded = load_model(tmp_path / "mine.safetensors")
    assert loaded.preprocessing == CARDS["glance-small"].preprocessing


def test_a_file_of_a_grown_network_loads_under_its_name(tmp_path: Path) -> None:
    from dataclasses import replace

    grown = build_model(replace(glance_small(), correspondence=CorrespondenceConfig()))
    save_weights(grown, tmp_path / "grown.safetensors", grown.config)
    loaded = load_model("glance-small", weights=tmp_path / "grown.safetensors", device="cpu")
    assert loaded.config == grown.config
    assert loaded.card is not None
    assert loaded.card.name == "glance-small"


def test_published_names_are_in_the_file(plain_state: dict[str, torch.Tensor]) -> None:
    assert "track_head.tracker.updateformer.virual_tracks" in plain_state


@pytest.mark.usefixtures("tiny_is_known")
@pytest.mark.parametrize("wrapped", [None, "model", "state_dict"])
def test_pt_files(model: VGGT, plain_state, tmp_path: Path, wrapped: str | None) -> None:
    path = tmp_path / "tiny.pt"
    torch.save({wrapped: plain_state} if wrapped else plain_state, path)
    loaded = load_model("tiny", weights=path)
    assert torch.equal(depth_of(loaded), depth_of(model))
    assert loaded.card is not None
    assert loaded.card.source == str(path)


class Malicious:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/glance3d-was-unpickled"),))


@pytest.mark.usefixtures("tiny_is_known")
def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path, mark = tmp_path / "evil.pt", Path("/tmp/glance3d-was-unpickled")
    torch.save({"x": Malicious()}, path)
    with pytest.raises(WeightsError, match="not a readable weights file"):
        load_model("tiny", weights=path)
    assert not mark.exists()
    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(WeightsError, match="not a readable weights file"):
        load_model("tiny", weights=path)
    assert not mark.exists()


@pytest.mark.usefixtures("tiny_is_known")
def test_missing_extra_and_misshapen_tensors_are_named(plain_state, tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    del plain_state["camera_head.trunk_norm.bias"]
    plain_state["camera_head.surprise"] = torch.zeros(3)
    plain_state["aggregator.camera_token"] = torch.zeros(1, 2, 1, 63)
    save_file(plain_state, path)
    with pytest.raises(WeightsError) as caught:
        load_model("tiny", weights=path)
    message = str(caught.value)
    for part in (
        "trunk_norm.bias",
        "surprise",
        "camera_token (1, 2, 1, 63)",
        "1 missing",
        "1 extra",
    ):
        assert part in message
    assert len(message.splitlines()) == 1


def test_weights_of_another_network(weights_file: Path) -> None:
    with pytest.raises(WeightsError, match="does not fit") as caught:
        load_model("vggt-1b", weights=weights_file)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 64], ids=["empty", "text", "noise"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_broken_files(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken"):
        load_model("vggt-1b", weights=path)


def test_absent_files_and_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        load_model("vggt-1b", weights=tmp_path / "absent.safetensors")
    with pytest.raises(WeightsError, match="no weights file"):
        load_model(tmp_path / "absent.safetensors")
    with pytest.raises(WeightsError, match=r"unknown model 'vgtt'.*glance-small"):
        load_model("vgtt")


def test_a_file_without_a_config_needs_a_name(plain_state, tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    save_file(plain_state, path)
    with pytest.raises(WeightsError, match="which network"):
        load_model(path)


def test_unknown_precision_and_device(weights_file: Path) -> None:
    with pytest.raises(InputError, match="precision"):
        load_model(weights_file, precision="float8")
    with pytest.raises(InputError, match="cannot be used"):
        load_model(weights_file, device="nonsense")


def test_bfloat16_stays_close(model: VGGT, weights_file: Path) -> None:
    loaded = load_model(weights_file, precision="bfloat16")
    assert loaded.aggregator.frame_blocks[0].mlp.fc1.weight.dtype == torch.bfloat16
    assert loaded.aggregator.frame_blocks[0].norm1.weight.dtype == torch.float32
    assert {p.dtype for p in loaded.depth_head.features.stages.parameters()} == {torch.bfloat16}
    for part in (loaded.depth_head.to_output, loaded.camera_head, loaded.track_head):
        assert {p.dtype for p in part.parameters()} == {torch.float32}
    exact, fast = depth_of(model).log(), depth_of(loaded).log()
    assert (exact - fast).abs().max() < 0.05 * exact.abs().max()
    assert not torch.equal(exact, fast)


def test_bfloat16_files_load_as_float32(model: VGGT, plain_state, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    half = build_model(model.config)
    half.load_state_dict(model.state_dict())
    save_weights(half.to(torch.bfloat16), path, model.config)
    loaded = load_model(path, precision="float32")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


def test_float32_weights_are_mapped_not_copied(weights_file: Path) -> None:
    loaded = load_model(weights_file, precision="float32")
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system has no /proc/self/maps to look into")
    address = loaded.aggregator.frame_blocks[0].mlp.fc1.weight.data_ptr()
    holding = [line for line in maps.read_text().splitlines() if weights_file.name in line]
    ranges = [[int(end, 16) for end in line.split()[0].split("-")] for line in holding]
    assert any(start <= address < stop for start, stop in ranges)


def test_no_time_on_random_weights(weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = set()
    real = torch.nn.init.kaiming_uniform_

    def watched(tensor: torch.Tensor, *args, **kwargs):
        devices.add(tensor.device.type)
        return real(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", watched)
    load_model(weights_file)
    assert devices == {"meta"}


def test_cards_say_what_may_be_done() -> None:
    cards = {card.name: card for card in list_cards()}
    assert cards["glance-small"].commercial == "yes"
    assert cards["da3-small"].commercial == cards["da3-base"].commercial == "yes"
    assert cards["da3-large-1.1"].commercial == "disputed"
    for name in ("vggt-1b", "da3-large", "da3-giant"):
        assert cards[name].commercial == "no"
    assert cards["vggt-1b-commercial"].commercial == "yes"
    assert zoo.ALIASES["facebook/VGGT-1B"] == "vggt-1b"
    for card in cards.values():
        config: ModelConfig = card.build_config()
        assert config.name == card.name
        assert card.preprocessing.patch_size == config.patch_size
        with torch.device("meta"):
            network = network_of(config)
        assert sum(p.numel() for p in network.parameters()) == card.num_parameters


@pytest.mark.parametrize("ability", ["depth", "tracks"])
def test_cards_say_what_a_network_is_good_at(ability: Ability) -> None:
    assert not is_good_at("glance-small", ability)
    assert is_good_at("vggt-1b", ability)
    assert is_good_at("da3-small", ability) is (ability == "depth")
    assert is_good_at("facebook/VGGT-1B", ability)
    assert is_good_at("trained-by-somebody", ability)


def test_matches_of_the_small_network_are_good_for_refinement() -> None:
    assert is_good_at("glance-small", "matches")
    assert not is_good_at("vggt-1b", "matches")


def test_a_network_loaded_in_inference_mode_predicts(weights_file: Path) -> None:
    with torch.inference_mode():
        loaded = load_model(weights_file)
        assert depth_of(loaded).isfinite().all()
