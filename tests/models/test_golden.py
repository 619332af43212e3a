"""The network against the published architecture's numbers (tests/golden/README.md)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glance3d.geometry.cameras import unproject_depth
from glance3d.geometry.pose_encoding import decode_pose
from glance3d.models import VGGT, build_model
from glance3d.models.config import tiny
from tests.golden_weights import fill_with_golden_weights

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = ("square", "wide", "single", "tall", "batch")
TOLERANCE, TOLERANCE_OF_PROBABILITIES = 5e-6, 1e-3


@pytest.fixture(scope="module")
def model() -> VGGT:
    model = build_model(tiny()).eval().requires_grad_(False)
    fill_with_golden_weights(model)
    return model


def load_case(case: str) -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / f"tiny_{case}.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def assert_close(name: str, found: torch.Tensor, golden: torch.Tensor, tolerance: float) -> None:
    assert found.shape == golden.shape, name
    error = (found - golden).abs().max() / golden.abs().max()
    assert error < tolerance, f"{name}: {error:.2e} of the largest value"


@pytest.mark.parametrize("case", CASES)
def test_every_output(model: VGGT, case: str) -> None:
    golden = load_case(case)
    found = model(golden["images"], golden["query_points"])
    for name, value in found.as_dict().items():
        if name != "pose_enc_list":
            tolerance = TOLERANCE_OF_PROBABILITIES if name in ("vis", "conf") else TOLERANCE
            assert_close(name, value, golden[name], tolerance)
    assert set(found.as_dict()) - {"pose_enc_list"} <= set(golden)
    assert_close("iterations", found.pose_enc_iterations, golden["pose_enc_iterations"], TOLERANCE)
    assert_close("tracks", found.tracks_iterations, golden["track_iterations"], TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_cameras_and_unprojection(case: str) -> None:
    """From the golden encoding and depth: a tiny field of view would magnify rounding before it."""
    golden = load_case(case)
    height, width = golden["images"].shape[-2:]
    cam_from_world, intrinsics = decode_pose(golden["pose_enc"], height, width)
    finite = golden["intrinsics"].isfinite()
    assert torch.equal(finite, intrinsics.isfinite())
    assert_close("extrinsics", cam_from_world, golden["extrinsics"], TOLERANCE)
    assert_close("intrinsics", intrinsics[finite], golden["intrinsics"][finite], TOLERANCE)
    depth = golden["depth"].squeeze(-1)
    points = unproject_depth(depth, cam_from_world, intrinsics, pixel_origin=0.0)
    assert_close("points", points, golden["points_unprojected_integer_pixels"], TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_tokens(model: VGGT, case: str) -> None:
    golden = load_case(case)
    layers, patch_start_idx, _ = model.aggregator(golden["images"])
    assert patch_start_idx == 5
    assert sorted(layers) == [0, 1, 2, 3]
    assert_close("first layer", layers[0], golden["tokens_first_layer"], TOLERANCE)
    assert_close("last layer", layers[3], golden["tokens_last_layer"], TOLERANCE)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    patches = model.aggregator.patch_embed((golden["images"].flatten(0, 1) - mean) / std)
    assert_close("patch tokens", patches, golden["patch_tokens"], TOLERANCE)
