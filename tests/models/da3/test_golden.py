"""The network against the published Depth Anything 3's numbers (tests/golden/da3/README.md)."""

import pytest
import torch
from benchmarks.da3_weights import write_published_file

from glance3d.models import Network, build_model
from glance3d.models.config import da3_tiny, da3_tiny_odd
from glance3d.models.weights.files import load_weights
from tests.models.da3.golden import assert_close, load_golden

CASES = ("square", "wide", "single", "pair", "batch", "posed", "posed_batch", "odd")
CONFIGS = {"da3-tiny": da3_tiny, "da3-tiny-odd": da3_tiny_odd}
MAPS = ("depth", "depth_conf", "ray", "ray_conf")
TOLERANCE, TOLERANCE_OF_MAPS = 3e-6, 5e-6
OUTPUTS = {*MAPS, "extrinsics", "intrinsics"}


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Network]:
    """Filled from files with the published names, strictly."""
    folder, networks = tmp_path_factory.mktemp("weights"), {}
    for name, config in CONFIGS.items():
        write_published_file(name, folder / f"{name}.safetensors")
        network = build_model(config())
        load_weights(network, folder / f"{name}.safetensors", torch.device("cpu"))
        networks[name] = network.eval().requires_grad_(False)
    return networks


def predict_case(network: Network, golden: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    cameras = None
    if "given_extrinsics" in golden:
        cameras = golden["given_extrinsics"][..., :3, :], golden["given_intrinsics"]
    predicted = network(golden["images"], outputs=("camera", "depth", "rays"), cameras=cameras)
    return predicted.as_dict()


def assert_golden(outputs: dict[str, torch.Tensor], golden: dict[str, torch.Tensor]) -> None:
    assert outputs.keys() >= OUTPUTS
    for name in outputs.keys() & golden.keys():
        assert_close(outputs[name], golden[name], TOLERANCE_OF_MAPS if name in MAPS else TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_every_output(networks: dict[str, Network], case: str) -> None:
    golden = load_golden(f"da3_tiny_{case}")
    network = networks["da3-tiny-odd" if case == "odd" else "da3-tiny"]
    assert_golden(predict_case(network, golden), golden)


@pytest.mark.parametrize("case", ["batch", "posed_batch", "odd"])
def test_the_steps_with_gradients_say_the_same(networks: dict[str, Network], case: str) -> None:
    golden = load_golden(f"da3_tiny_{case}")
    network = networks["da3-tiny-odd" if case == "odd" else "da3-tiny"]
    network.requires_grad_(True)
    try:
        outputs = predict_case(network, golden)
    finally:
        network.requires_grad_(False)
    assert outputs["depth"].requires_grad
    assert_golden({name: value.detach() for name, value in outputs.items()}, golden)


@pytest.mark.parametrize("case", CASES)
def test_small_chunks_say_the_same(
    networks: dict[str, Network], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = load_golden(f"da3_tiny_{case}")
    monkeypatch.setattr("glance3d.models.head_inputs.VIEWS_PER_CHUNK", 1)
    monkeypatch.setattr("glance3d.nn.chunks.CPU_PIXELS", 1)
    monkeypatch.setattr("glance3d.nn.chunks.CPU_TOKENS", 20)
    with torch.inference_mode():
        network = networks["da3-tiny-odd" if case == "odd" else "da3-tiny"]
        assert_golden(predict_case(network, golden), golden)


def test_a_batch_is_its_scenes(networks: dict[str, Network]) -> None:
    """Reference views 2 and 1: each scene of a batch has its own."""
    golden = load_golden("da3_tiny_batch")
    for scene in range(2):
        alone = {name: value[scene : scene + 1] for name, value in golden.items()}
        assert_golden(predict_case(networks["da3-tiny"], {"images": alone["images"]}), alone)
