"""Two photos in rows: cameras side by side, and depth that the network's guess keeps straight."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.evaluation.metrics import depth_errors
from glance3d.images import Originals
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.refinement import RefineOptions, refine
from glance3d.refinement.assembly.rectified_pair import RowMatches, choose_shift, find_row_matches
from glance3d.types import Cameras, Placement, Reconstruction

FOCAL, SHIFT = 400.0, 20.0
SIZE = (320, 240)


def rows(num_matches: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left pixels, right pixels and depths of a pair whose right photo is shifted."""
    random = np.random.default_rng(seed)
    left = random.uniform([60, 5], [SIZE[0] - 5, SIZE[1] - 5], (num_matches, 2))
    depth = random.uniform(4, 12, num_matches)
    right = left - np.stack([FOCAL / depth - SHIFT, 0 * depth], -1)
    return left, right + random.normal(0, 0.2, right.shape), depth


def pair_scene(left: np.ndarray, depth: np.ndarray) -> Reconstruction:
    """Photos whose network says the right depth at the left pixels, and knows no poses."""
    grid = torch.full((2, SIZE[1], SIZE[0]), 6.0)
    x, y = torch.from_numpy(left).long().unbind(-1)
    grid[0, y, x] = 0.3 * torch.from_numpy(depth).float()
    matrix = torch.tensor([[FOCAL, 0, 160], [0, FOCAL, 120], [0, 0, 1]]).repeat(2, 1, 1)
    names = ("left.png", "right.png")
    return Reconstruction(
        names,
        names,
        (Placement(SIZE, SIZE),) * 2,
        Cameras(torch.eye(3, 4).repeat(2, 1, 1), matrix, torch.tensor([SIZE, SIZE])),
        torch.zeros(2, SIZE[1], SIZE[0], 3, dtype=torch.uint8),
        torch.ones(2, SIZE[1], SIZE[0], dtype=torch.bool),
        depth=grid,
    )


def find(left: np.ndarray, right: np.ndarray) -> RowMatches | None:
    graph = ViewGraph(2, (VerifiedPair(0, 1, left, right, False),))
    return find_row_matches(graph, pair_scene(left, np.full(len(left), 6.0)).cameras)


def test_rows_are_found_from_either_side():
    left, right, _ = rows()
    matches = find(left, right)
    assert matches is not None
    assert matches.sign == 1
    assert (matches.disparity > 0).all()
    mirrored = find(right, left)
    assert mirrored is not None
    assert mirrored.sign == -1
    assert (mirrored.disparity > 0).all()


@pytest.mark.parametrize("case", ["tilted", "turned", "few"])
def test_what_is_no_rectified_pair_is_left_alone(case):
    left, right, _ = rows()
    if case == "tilted":
        right = right + np.stack([0 * left[:, 0], 0.02 * left[:, 0]], -1)
    if case == "turned":
        right = left - [30.0, 0.0]
    if case == "few":
        left, right = left[:20], right[:20]
    assert find(left, right) is None


def test_the_shift_is_that_which_makes_depth_look_like_the_guess():
    left, right, depth = rows()
    disparity = torch.from_numpy(left - right)[:, 0]
    exact = torch.from_numpy(depth)
    # A tenth more of a tiny misfit than the best allows a little less than all of it.
    assert choose_shift(disparity, 3 * exact) == pytest.approx(SHIFT, abs=2)
    assert abs(choose_shift(disparity + SHIFT, 3 * exact)) < 2


def test_a_rough_guess_still_straightens_and_an_aimless_one_moves_nothing():
    left, right, depth = rows()
    disparity = torch.from_numpy(left - right)[:, 0]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(depth), generator=generator, dtype=torch.float64)
    rough = torch.from_numpy(depth) * (0.3 * noise).exp()
    shift = choose_shift(disparity, rough)
    bent = depth_errors(1 / disparity, torch.from_numpy(depth)).depth_absrel_scale_aligned
    straight = depth_errors(1 / (disparity + shift), torch.from_numpy(depth))
    assert straight.depth_absrel_scale_aligned < 0.6 * bent
    assert choose_shift(disparity + SHIFT, rough) < SHIFT


def striped_photos() -> tuple[Reconstruction, list[np.ndarray]]:
    """A slanted wall seen by a rectified, shifted pair, and the network's rough depth of it."""
    random = np.random.default_rng(3)
    width, height = SIZE
    wall = np.zeros((height, 700))
    for cell in (3, 6, 12, 24):
        coarse = random.integers(0, 255, (height // cell + 2, 700 // cell + 2), np.uint8)
        blown = Image.fromarray(coarse).resize((700, height), Image.Resampling.BICUBIC)
        wall += np.asarray(blown, dtype=float) / 4
    columns = np.arange(width) + 0.5
    depth = np.where(np.arange(height)[:, None] < 120, 5.0, 9.0) + 0 * columns[None]
    photos = []
    for shift in (0.0, 1.0):
        # Both bands of the wall are flat, so that every pixel's place on it is known.
        at = columns[None] + shift * (FOCAL / depth - SHIFT) + 100
        rows_of_wall = np.arange(height)[:, None] + 0 * at
        low = np.floor(at - 0.5).astype(int)
        weight = at - 0.5 - low
        grey = (1 - weight) * wall[rows_of_wall.astype(int), low] + weight * wall[
            rows_of_wall.astype(int), low + 1
        ]
        photos.append(np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, -1))
    scene = pair_scene(np.array([[100.5, 50.5]]), np.array([5.0]))
    guess = torch.from_numpy(depth).float().repeat(2, 1, 1)
    return replace(scene, depth=0.3 * guess), photos


def test_refining_a_rectified_pair():
    scene, photos = striped_photos()
    refined = refine(
        scene,
        originals=Originals(scene, photos=photos),
        options=RefineOptions(max_features=1000),
        densify=False,
    )
    poses = refined.cameras.cam_from_world
    assert torch.allclose(poses[:, :, :3], torch.eye(3).repeat(2, 1, 1), atol=1e-6)
    assert float(poses[1, 0, 3]) < 0
    assert poses[1, 1:, 3].abs().max() < 1e-6 * abs(float(poses[1, 0, 3]))
    assert refined.report.to_json()["refinement"]["rectified_pair"]["shift_px"] == pytest.approx(
        SHIFT, abs=3
    )
    assert any("rectified pair" in text for text in refined.report.to_json()["warnings"])
    assert refined.sparse is not None
    ratio = refined.sparse.points_world[:, 2].quantile(0.9) / (
        refined.sparse.points_world[:, 2].quantile(0.1)
    )
    assert float(ratio) == pytest.approx(9 / 5, rel=0.1)
