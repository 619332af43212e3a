"""The cameras of a scene, from matches and a focal length that was guessed."""

import math
from dataclasses import replace

import torch

from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.multiview.matches import PairPoses, half_diagonal
from glance3d.multiview.pose_initialisation import fields_of_view, initialise_poses
from tests.multiview.matched_scene import (
    FOCAL,
    OPTIONS,
    MatchedScene,
    degrees_between,
    matched_scene,
    turntable,
)

SIZE = (96, 128)
SCENE = matched_scene(views=4, turns=0.2)
HALF_DIAGONAL = half_diagonal(SIZE)
#: Where it does not matter which is right, three focal lengths are compared instead of thirteen.
SEARCH = OPTIONS.focal_search
FEW = replace(OPTIONS, focal_search=replace(SEARCH, focal_lengths_hd=SEARCH.focal_lengths_hd[1::5]))


def guessing(factor: float, scenes: int = 1, views: int = len(SCENE.cameras)) -> PairPoses:
    """Nothing is known of the poses; the focal length is wrong by a factor."""
    fields = fields_of_view(torch.tensor([factor * FOCAL]), SIZE)[0]
    pose = torch.cat([torch.tensor([0.0, 0, 1, 0, 0, 0, 1]), fields])
    trust = (1 - torch.eye(views)).expand(scenes, -1, -1)
    return PairPoses(trust, pose.expand(scenes, views, views, 9))


def errors(pose: torch.Tensor, scene: MatchedScene = SCENE) -> tuple[float, float]:
    """Of rotations in degrees, and of the first focal length as a factor."""
    rotation = rotation_from_quat_xyzw(pose[:, 3:7])
    turned = degrees_between(rotation, pose[:, :3], scene.cameras)[0]
    focal = focal_lengths(pose)[0] / HALF_DIAGONAL
    return float(turned.max()), float(focal) / FOCAL


def focal_lengths(pose: torch.Tensor) -> torch.Tensor:
    """In pixels."""
    return SIZE[0] / 2 / torch.tan(pose[:, 7] / 2)


def test_a_wrong_focal_length_is_found_out() -> None:
    for factor in (0.7, 1.5):
        pose_enc = initialise_poses(SCENE.matches(noise=0.001), guessing(factor), SIZE, OPTIONS)
        turned, ratio = errors(pose_enc[0])
        assert turned < 3
        assert abs(math.log(ratio)) < 0.15


def test_scenes_choose_for_themselves() -> None:
    one, other = SCENE.matches(noise=0.001), SCENE.matches(wrong=0.3)
    both = type(one)(*(torch.cat(parts) for parts in zip(one, other, strict=True)))
    together = initialise_poses(both, guessing(1.3, 2), SIZE, FEW)
    for index, alone in enumerate((one, other)):
        expected = initialise_poses(alone, guessing(1.3), SIZE, FEW)[0]
        torch.testing.assert_close(together[index], expected, rtol=0, atol=0.02)


def test_a_known_focal_length_decides_what_matches_cannot() -> None:
    """Around a thing far away, a long lens and a short one fit nearly alike."""
    scene, focal = turntable(degrees=8), 4.0
    matches, estimates = scene.matches(noise=0.002), guessing(1.0, views=3)
    known = torch.tensor([[focal * HALF_DIAGONAL, math.nan, math.nan]])
    blind = initialise_poses(matches, estimates, SIZE, OPTIONS)[0]
    pose_enc = initialise_poses(matches, estimates, SIZE, OPTIONS, known)[0]
    assert focal_lengths(blind).mean() < 0.7 * known[0, 0]
    torch.testing.assert_close(focal_lengths(pose_enc), known[0, :1].expand(3), rtol=0.05, atol=0)
    assert errors(pose_enc, scene)[0] < 4 < errors(blind, scene)[0]


def test_views_may_be_zoomed_if_that_is_known() -> None:
    matches = SCENE.matches(noise=0.001)
    zoom = torch.tensor([[1.0, 2, 1, 0.6]])
    known = zoom * FOCAL * HALF_DIAGONAL
    pose_enc = initialise_poses(matches.zoomed(zoom), guessing(1.3), SIZE, OPTIONS, known)[0]
    assert errors(pose_enc)[0] < 3
    torch.testing.assert_close(focal_lengths(pose_enc), known[0], rtol=0.05, atol=0)


def test_what_the_matches_contradict_is_overruled() -> None:
    known = torch.full((1, len(SCENE.cameras)), 2 * FOCAL * HALF_DIAGONAL)
    pose_enc = initialise_poses(SCENE.matches(noise=0.001), guessing(1.0), SIZE, OPTIONS, known)[0]
    turned, ratio = errors(pose_enc)
    assert turned < 3
    assert abs(math.log(ratio)) < 0.15


def test_nothing_known_changes_nothing() -> None:
    matches, estimates = SCENE.matches(noise=0.001), guessing(1.3)
    nothing = torch.full((1, len(SCENE.cameras)), math.nan)
    without = initialise_poses(matches, estimates, SIZE, FEW)
    assert initialise_poses(matches, estimates, SIZE, FEW, nothing).equal(without)
