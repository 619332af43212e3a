"""The twin of Depth Anything 3 gives the published numbers, or a ratio would mean nothing."""

import json
import math

import pytest
import torch
from benchmarks.da3_twin import CONFIGS, DA3Twin, TwinConfig, build_twin, normalise
from benchmarks.da3_weights import GOLDEN, METADATA, published_shapes, published_weights

from tests.models.da3.golden import assert_close, load_golden

CASES = ("square", "wide", "single", "pair", "batch", "posed", "posed_batch", "odd")
TOLERANCE, TOLERANCE_OF_MAPS = 3e-6, 5e-6
MAPS = ("depth", "depth_conf", "ray", "ray_conf")


@pytest.fixture(scope="module")
def twins() -> dict[str, DA3Twin]:
    manifest = json.loads((GOLDEN / "da3_tiny_manifest.json").read_text())
    return {
        name: build_twin(TwinConfig.from_manifest(entry["config"]), published_weights(name))
        for name, entry in manifest.items()
    }


@pytest.mark.parametrize("case", CASES)
def test_every_golden_number(twins: dict[str, DA3Twin], case: str) -> None:
    golden = load_golden(f"da3_tiny_{case}")
    twin = twins["da3-tiny-odd" if case == "odd" else "da3-tiny"]
    images = normalise(golden["images"])
    cameras = [golden.get("given_extrinsics"), golden.get("given_intrinsics")]
    for name, value in twin(images, *cameras).items():
        assert_close(value, golden[name], TOLERANCE_OF_MAPS if name in MAPS else TOLERANCE)
    condition = None
    if cameras[0] is not None:
        condition = twin.cam_enc(*cameras, *images.shape[-2:])
        assert_close(condition, golden["camera_condition"], TOLERANCE)
    taken = twin.backbone.pretrained(images, condition)
    for layer, features in enumerate(taken.features):
        assert_close(features, golden[f"features_{layer}"], TOLERANCE)
    assert_close(taken.camera_token, golden["camera_token"], TOLERANCE)
    assert (taken.class_tokens is None) == ("class_tokens" not in golden)
    if taken.class_tokens is not None:
        assert_close(taken.class_tokens, golden["class_tokens"], TOLERANCE)
        assert taken.reference_view.tolist() == golden["reference_view"].tolist()


def test_more_views_than_the_head_takes_at_a_time(twins: dict[str, DA3Twin]) -> None:
    layers = [torch.rand(9, 6, 128, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    head = twins["da3-tiny"].head
    for name, value in head(layers, 28, 42, 14).items():
        assert len(value) == 9
        torch.testing.assert_close(value, head.some_views(layers, 28, 42, 14)[name])


def test_autocast_moves_the_backbone_alone_and_little(twins: dict[str, DA3Twin]) -> None:
    images = normalise(load_golden("da3_tiny_pair")["images"])
    exact, rounded = (twins["da3-tiny"](images, bfloat16=on) for on in (False, True))
    for name, value in rounded.items():
        error = (value - exact[name]).abs().max() / exact[name].abs().max()
        assert value.dtype == torch.float32
        assert error < 0.1, name
    assert not torch.equal(exact["depth"], rounded["depth"])


@pytest.mark.parametrize("size", ["da3-small", "da3-base"])
def test_published_names_and_shapes(size: str) -> None:
    assert _shapes_of(size) == published_shapes(size)


@pytest.mark.parametrize(
    ("size", "millions"),
    [("da3-large", (304.4, 47.2, 50.9, 8.4)), ("da3-giant", (1136.5, 50.1, 114.5, 18.9))],
)
def test_parameters_of_the_larger_sizes(size: str, millions: tuple[float, ...]) -> None:
    shapes = _shapes_of(size)
    for part, expected in zip(("backbone", "head", "cam_enc", "cam_dec"), millions, strict=True):
        count = sum(math.prod(s) for n, s in shapes.items() if n.startswith(f"model.{part}."))
        assert round(count / 1e6, 1) == expected, part
    if size == "da3-large":
        assert (len(shapes), sum(map(math.prod, shapes.values()))) == (637, 410_941_767)


def _shapes_of(size: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = DA3Twin(CONFIGS[size]).state_dict()
    named = {f"model.{name}": tuple(tensor.shape) for name, tensor in state.items()}
    assert METADATA.keys() <= named.keys()
    return {name: shape for name, shape in named.items() if name not in METADATA}
