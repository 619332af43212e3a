"""A camera that only turned is told from one that passed a plane, whatever its focal length."""

from dataclasses import replace

import pytest

from glance3d.multiview.pure_rotation import is_pure_rotation
from glance3d.types import Cameras
from tests.refinement.rendered import Room, build_scene, matches_between, pose, turning

WALL = Room(boxes=(((0.0, 0.0, 3.0), (4.5, 3.0, 0.1)),))


def zoomed(cameras: Cameras, factor: float) -> Cameras:
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, [0, 1], [0, 1]] *= factor
    return replace(cameras, intrinsics=intrinsics)


@pytest.mark.parametrize("focal", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_a_turn_is_known_whatever_the_focal_length_is_thought_to_be(
    focal: float, noise: float
) -> None:
    scene = build_scene([Room()] * 2, turning(2, 0.2))
    assert is_pure_rotation(matches_between(scene, noise), zoomed(scene.cameras, focal))


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_a_wall_that_is_passed_by_is_no_turn(noise: float) -> None:
    along = [pose((x, 0.2, -2.5), (x, 0.2, 3.0)) for x in (-0.45, 0.45)]
    around = [pose((x, 0.2, -2.5), (0.5 * x, 0.0, 3.0)) for x in (-0.6, 0.6)]
    for poses in (along, around):
        scene = build_scene([WALL] * 2, poses)
        assert not is_pure_rotation(matches_between(scene, noise), scene.cameras)
