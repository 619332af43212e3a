"""The shipped photos' true cameras and depth agree with the photos themselves."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.geometry.cameras import project_points, unproject_depth

FOLDER = Path(__file__).parents[2] / "examples" / "data" / "motorcycle"


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads((FOLDER / "cameras.json").read_text(encoding="utf-8"))


def _grey(name: str) -> np.ndarray:
    return np.asarray(Image.open(FOLDER / "images" / name).convert("L"), dtype=np.float32)


def _depth(truth: dict) -> torch.Tensor:
    steps = np.asarray(Image.open(FOLDER / truth["views"][0]["depth"]), dtype=np.float32)
    return torch.from_numpy(steps) * truth["depth_scale"]


def _photometric_error(truth: dict, shift_x: float) -> float:
    """Median grey difference of the left photo and the right one seen through depth and cameras."""
    left_image, right_image = (
        (torch.tensor(view["cam_from_world"]), torch.tensor(view["intrinsics"]))
        for view in truth["views"]
    )
    depth = _depth(truth)
    points = unproject_depth(depth, *left_image)
    pixels, _ = project_points(points.flatten(0, 1), *right_image)
    columns_rows = (pixels - 0.5 + torch.tensor([shift_x, 0.0])).round().long()
    height, width = depth.shape
    inside = (columns_rows >= 0).all(-1) & (columns_rows < torch.tensor([width, height])).all(-1)
    seen = inside & (depth.flatten() > 0)
    column, row = columns_rows[seen].T
    warped = torch.from_numpy(_grey("right.png"))[row, column]
    original = torch.from_numpy(_grey("left.png")).flatten()[seen]
    return (warped - original).abs().median().item()


def test_depth_and_cameras_carry_the_left_photo_onto_the_right_one(truth: dict) -> None:
    errors = {shift: _photometric_error(truth, shift) for shift in (-3.0, -1.0, 0.0, 1.0, 3.0)}
    assert min(errors, key=errors.__getitem__) == 0.0
    assert errors[0.0] < 4


def test_sizes_match_the_files(truth: dict) -> None:
    for view in truth["views"]:
        assert list(Image.open(FOLDER / view["image"]).size) == view["size"]
    depth = _depth(truth)
    assert (depth > 0).float().mean() > 0.9
    assert 2.0 < depth[depth > 0].min() < depth.max() < 5.1  # metres
