"""Scenes stand upright, however their world lies."""

import math
from dataclasses import replace

import pytest
import torch

from glance3d.exporters.presentation import up_direction, upright_from_world
from glance3d.types import Cameras, Reconstruction


def looking(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> torch.Tensor:
    """``cam_from_world`` in a world whose y is down; pitch above 0 looks down; degrees."""
    yaw, pitch, roll = map(math.radians, (yaw, pitch, roll))
    around_y = torch.tensor(
        [[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]]
    )
    around_x = torch.tensor(
        [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    )
    around_z = torch.tensor(
        [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    )
    return torch.cat([around_z @ around_x @ around_y, torch.zeros(3, 1)], -1)


def seen_by(scene: Reconstruction, *poses: torch.Tensor) -> Reconstruction:
    one = scene.cameras
    cameras = Cameras(
        torch.stack(poses),
        one.intrinsics[:1].expand(len(poses), 3, 3),
        one.image_sizes[:1].expand(len(poses), 2),
    )
    return replace(scene, cameras=cameras)


def degrees_from_up(up: torch.Tensor) -> float:
    return math.degrees(math.acos(min(1.0, float(-up[1]))))


@pytest.mark.parametrize(
    "poses",
    [
        [looking(0)],
        [looking(yaw) for yaw in (0, 5, -5)],
        [looking(yaw, 40) for yaw in (0, 40, 90, 180, 260)],
        [looking(yaw, 90) for yaw in (0, 120, 240)],
        [looking(yaw, 20, roll) for yaw, roll in ((0, 4), (60, -3), (120, 2), (200, -4))],
    ],
    ids=["one level", "side by side", "all looking down", "straight down", "a shaky hand"],
)
def test_up_is_found(scene, poses):
    assert degrees_from_up(up_direction(seen_by(scene, *poses))) < 6


def test_one_photo_that_looks_down_a_little_stands_as_it_was_held(scene):
    assert degrees_from_up(up_direction(seen_by(scene, looking(0, 30)))) == pytest.approx(30, abs=1)


@pytest.mark.parametrize("roll", [90, -90])
def test_photos_on_their_side_around_a_thing_do_not_lay_it_down(scene, roll):
    poses = [looking(yaw, 15, roll) for yaw in range(0, 360, 40)]
    assert degrees_from_up(up_direction(seen_by(scene, *poses))) < 6


def test_the_sky_is_known_where_the_world_is(scene):
    world = "east-north-up at 55.7 degrees north"
    assert up_direction(replace(scene, world=world)).tolist() == [0, 0, 1]


@pytest.mark.parametrize("pose", [looking(0), looking(70, 30, 5), looking(30, 90)])
def test_the_turn_is_a_rotation_with_the_first_camera_looking_ahead(scene, pose):
    turned = upright_from_world(seen_by(scene, pose, looking(200), looking(300)))
    torch.testing.assert_close(turned @ turned.T, torch.eye(3))
    assert float(torch.linalg.det(turned)) == pytest.approx(1)
    up = up_direction(seen_by(scene, pose, looking(200), looking(300)))
    torch.testing.assert_close(turned @ up, torch.tensor([0.0, 1.0, 0.0]))
    forward = turned @ pose[2, :3]
    assert abs(float(forward[0])) < 5e-3
    assert float(forward[2]) <= 1e-4
