import dataclasses

import pytest
import torch

from glance3d.geometry.cameras import unproject_depth
from glance3d.geometry.pose_encoding import decode_pose
from glance3d.geometry.transforms import compose, invert
from glance3d.training.losses.normalise import Targets, normalise_scenes
from tests.training.scenes import make_sample


def targets_of(sample) -> Targets:
    return normalise_scenes(sample.cam_from_world, sample.intrinsics, sample.depth, sample.valid)


def moved_world(sample, old_from_new: torch.Tensor, factor: float):
    cameras = compose(sample.cam_from_world, old_from_new)
    cameras = torch.cat([cameras[..., :3], factor * cameras[..., 3:]], -1)
    return dataclasses.replace(sample, cam_from_world=cameras, depth=factor * sample.depth)


def assert_same(a: Targets, b: Targets) -> None:
    for name in ("pose_enc", "depth", "points_world"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=1e-4, atol=2e-5)


def test_moving_turning_and_scaling_the_world_changes_no_target():
    sample = make_sample()
    rigid = torch.cat(
        [torch.linalg.qr(torch.randn(3, 3))[0], torch.tensor([[3.0], [-7.0], [11.0]])], -1
    )
    rigid[:, :3] *= rigid[:, :3].det()
    assert_same(targets_of(sample), targets_of(moved_world(sample, rigid[None, None], 25.0)))


def test_the_first_camera_is_the_world_and_points_are_one_away_on_average():
    sample = make_sample()
    targets = targets_of(sample)
    torch.testing.assert_close(
        targets.pose_enc[:, 0, :7],
        torch.tensor([0.0, 0, 0, 0, 0, 0, 1]).expand(2, 7),
        atol=1e-6,
        rtol=0,
    )
    for scene in range(2):
        distance = targets.points_world[scene].norm(dim=-1)[targets.valid[scene]]
        assert abs(distance.mean() - 1) < 1e-5


def test_points_depth_and_cameras_agree():
    sample = make_sample()
    targets = targets_of(sample)
    cameras, intrinsics = decode_pose(targets.pose_enc, 56, 56)
    points = unproject_depth(targets.depth, cameras, intrinsics)
    torch.testing.assert_close(
        points[targets.valid], targets.points_world[targets.valid], atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(
        targets.scale[:, None, None, None] * targets.depth,
        torch.where(targets.valid, sample.depth, 0.0),
    )


def test_relative_cameras_of_hand_made_scene():
    sample = make_sample(batch=1, views=2)
    targets = targets_of(sample)
    expected = compose(sample.cam_from_world[0, 1], invert(sample.cam_from_world[0, 0]))
    torch.testing.assert_close(
        targets.pose_enc[0, 1, :3] * targets.scale, expected[:, 3], atol=1e-5, rtol=1e-4
    )


def test_pixels_without_depth_are_no_targets():
    sample = make_sample(batch=1)
    depth = sample.depth.clone()
    depth[0, 0, 0, 0], depth[0, 0, 0, 1], depth[0, 0, 0, 2] = 0.0, torch.nan, torch.inf
    targets = targets_of(dataclasses.replace(sample, depth=depth))
    assert not targets.valid[0, 0, 0, :3].any()
    assert targets.depth.isfinite().all()
    assert targets.points_world.isfinite().all()


def test_a_scene_without_any_valid_pixel_has_translations_of_length_1():
    sample = make_sample(batch=1)
    empty = dataclasses.replace(sample, valid=torch.zeros_like(sample.valid))
    targets = targets_of(empty)
    assert not targets.has_scale.any()
    assert float(targets.pose_enc[..., :3].norm()) == pytest.approx(1.0)
    whole = targets_of(sample)
    moved = targets.scale / whole.scale * targets.pose_enc[..., :3]
    torch.testing.assert_close(moved, whole.pose_enc[..., :3])
    still = dataclasses.replace(
        empty, cam_from_world=sample.cam_from_world[:, :1].expand(-1, 3, -1, -1)
    )
    assert float(targets_of(still).pose_enc[..., :3].norm()) < 1e-5
