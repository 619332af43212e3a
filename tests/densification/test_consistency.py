"""Floating pixels are found; hidden, unseen and agreeing ones are not accused."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from glance3d.densification.consistency import mark_consistent
from glance3d.errors import InputError
from glance3d.geometry.cameras import unproject_depth
from glance3d.types import Reconstruction
from tests.densification.scenes import Patch, build_scene, row_of_cameras


def with_depth(scene: Reconstruction, depth: Tensor) -> Reconstruction:
    cameras = scene.cameras.on_grid(scene.placements)
    points = unproject_depth(depth, cameras.cam_from_world, cameras.intrinsics)
    return replace(scene, depth=depth, points_world=points, points_from="depth")


def room(views: int = 4) -> Reconstruction:
    """True depth of a box before a wall, on the grid of 24 x 24 pixels."""
    patches = [Patch(6.0), Patch(4.0, half=0.6)]
    scene, _, truth = build_scene(patches, row_of_cameras(views, sizes=((24, 24),)), 5.0)
    return with_depth(scene, torch.stack(truth))


def marks(scene: Reconstruction, **choices: float) -> Tensor:
    consistent = mark_consistent(scene, **choices).consistent
    assert consistent is not None
    return consistent


def test_a_true_scene_is_consistent_occlusions_and_all() -> None:
    assert marks(room()).all()


def test_a_pixel_that_floats_is_marked_and_no_other() -> None:
    scene = room()
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[1, 4, 12] = 2.5
    consistent = marks(with_depth(scene, depth))
    assert not consistent[1, 4, 12]
    assert consistent.sum() == consistent.numel() - 1


def test_a_pixel_too_far_away_is_only_hidden() -> None:
    scene = room()
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[1, 4, 12] = 9.0
    assert marks(with_depth(scene, depth))[1, 4, 12]


def test_one_confirmation_outweighs_contradictions() -> None:
    scene = room()
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[:2] = 3.0  # two views agree on a wall that the two others look through
    consistent = marks(with_depth(scene, depth))
    assert consistent[0, 10:14, 10:14].all()


def test_two_views_contradict_each_other_with_one_voice() -> None:
    scene = room(views=2)
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[0, 4, 12] = 2.5
    assert not marks(with_depth(scene, depth))[0, 4, 12]


def test_guesses_are_no_witnesses_where_it_is_known_what_was_measured() -> None:
    scene = room()
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[1, 4, 12] = 2.5
    floating = with_depth(scene, depth)
    nothing = torch.zeros_like(scene.mask)
    assert marks(replace(floating, measured=nothing)).all()
    assert not marks(replace(floating, measured=~nothing))[1, 4, 12]


def test_one_view_padding_and_missing_depth() -> None:
    assert marks(room(views=1)).all()
    scene = room()
    mask = scene.mask.clone()
    mask[:, :, 20:] = False
    assert torch.equal(marks(replace(scene, mask=mask)), mask)
    assert mark_consistent(replace(scene, depth=None)).consistent is None


def test_a_tolerance_is_a_share() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        mark_consistent(room(), tolerance=1.5)
