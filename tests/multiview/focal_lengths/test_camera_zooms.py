"""Focal lengths of several cameras, from matches."""

from dataclasses import replace

import pytest
import torch

from glance3d.multiview.focal_lengths.camera_zooms import estimate_zooms
from glance3d.multiview.pose_initialisation import initialise_poses
from tests.multiview.matched_scene import FOCAL, OPTIONS, matched_scene
from tests.multiview.test_pose_initialisation import (
    FEW,
    HALF_DIAGONAL,
    SIZE,
    errors,
    focal_lengths,
    guessing,
)

SCENE = matched_scene(views=4, turns=0.2)
ZOOM = torch.tensor([[1, 1.5, 1, 0.7]])
MATCHES = SCENE.matches(noise=0.001).zoomed(ZOOM)
CAMERAS = [0, 1, 0, 2]
SEARCH = replace(
    FEW, camera_zooms=replace(OPTIONS.camera_zooms, factors=(0.7, 1.0, 1 / 0.7), rounds=3)
)


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_each_camera_has_its_own(factor: float) -> None:
    """Whatever was expected: all are found against it."""
    expected = torch.tensor([factor * FOCAL])
    found = estimate_zooms(MATCHES, guessing(1.0).pose_enc, expected, CAMERAS, SEARCH)
    assert found[0, 0] == found[0, 2]
    torch.testing.assert_close(factor * found, ZOOM, rtol=0.1, atol=0)


def test_what_is_known_and_what_matches_nothing_stay_as_expected() -> None:
    alone = MATCHES._replace(
        amount=torch.where((MATCHES.first == 1) | (MATCHES.second == 1), 0.0, MATCHES.amount)
    )
    known = torch.tensor([[True, False, True, False]])
    expected = torch.tensor([FOCAL])
    found = estimate_zooms(alone, guessing(1.0).pose_enc, expected, CAMERAS, SEARCH, known)
    assert found[0, :3].tolist() == [1, 1, 1]
    assert found[0, 3] == pytest.approx(0.7, rel=0.1)


def test_a_scene_of_several_cameras_is_solved_with_them() -> None:
    blind = initialise_poses(MATCHES, guessing(1.2), SIZE, SEARCH)[0]
    told = initialise_poses(MATCHES, guessing(1.2), SIZE, SEARCH, None, CAMERAS)[0]
    assert errors(told, SCENE)[0] < 4 < errors(blind, SCENE)[0]
    wanted = ZOOM[0] * FOCAL * HALF_DIAGONAL
    torch.testing.assert_close(focal_lengths(told), wanted, rtol=0.12, atol=0)
