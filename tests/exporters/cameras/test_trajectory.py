"""Trajectories come back through their own readers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from glance3d.exporters import export
from glance3d.exporters.cameras.trajectory import view_times
from glance3d.known_cameras import load_known_cameras, match_known_cameras
from glance3d.types import PhotoMetadata

CLIP = (
    "a/walk.mp4#t=0.250000",
    "a/walk.mp4#t=3.033333",
    "a/walk.mp4#t=63.000000",
    "a/walk.mp4#t=70.5",
)
CLIP_NAMES = (
    "walk_00-00.250.jpg",
    "walk_00-03.033.jpg",
    "walk_01-03.000.jpg",
    "walk_01-10.500.jpg",
)


@pytest.mark.parametrize("clip", [False, True])
def test_tum_is_read_back_by_the_known_cameras(scene, tmp_path, clip):
    if clip:
        scene = replace(scene, names=CLIP_NAMES, sources=CLIP)
    (path,) = export(scene, tmp_path / "run.tum")
    known = match_known_cameras(load_known_cameras(path), scene)
    assert known.has_pose.all()
    poses = known.cam_from_world.float()
    torch.testing.assert_close(poses, scene.cameras.cam_from_world, atol=2e-6, rtol=0)


def test_times_of_a_clip_pick_the_right_poses_of_a_longer_run(scene, tmp_path):
    (path,) = export(replace(scene, names=CLIP_NAMES, sources=CLIP), tmp_path / "run.tum")
    last = replace(scene, names=(*CLIP_NAMES[2:], *CLIP_NAMES[:2]))
    known = match_known_cameras(load_known_cameras(path), last)
    expected = scene.cameras.cam_from_world[[2, 3, 0, 1]]
    torch.testing.assert_close(known.cam_from_world.float(), expected, atol=2e-6, rtol=0)


def test_time_stamps_say_what_they_are(scene, tmp_path):
    assert view_times(scene) == ([0.0, 1.0, 2.0, 3.0], "numbers of the photos, from 0")
    clip = replace(scene, sources=CLIP)
    assert view_times(clip) == ([0.25, 3.033333, 63.0, 70.5], "seconds in walk.mp4")
    two = replace(scene, sources=(*CLIP[:3], "b/walk.mp4#t=1.0"))
    assert "numbers" in view_times(two)[1]
    taken = tuple(PhotoMetadata(taken=f"2024-05-01T10:00:0{view}+00:00") for view in range(4))
    times, meaning = view_times(replace(scene, metadata=taken))
    assert times == [1714557600.0 + view for view in range(4)]
    assert "Unix" in meaning
    same = (*taken[:3], taken[2])
    assert "numbers" in view_times(replace(scene, metadata=same))[1]
    (path,) = export(clip, tmp_path / "run.tum")
    assert "# time stamps: seconds in walk.mp4" in path.read_text()


def test_photos_whose_names_are_numbers_in_another_order_keep_their_poses(scene, tmp_path):
    shuffled = replace(scene, names=("2.jpg", "0.jpg", "3.jpg", "1.jpg"))
    (path,) = export(shuffled, tmp_path / "run.tum")
    known = match_known_cameras(load_known_cameras(path), shuffled)
    poses = known.cam_from_world.float()
    torch.testing.assert_close(poses, scene.cameras.cam_from_world, atol=2e-6, rtol=0)


def test_kitti_holds_the_cameras_in_the_world(scene, tmp_path):
    (path,) = export(scene, tmp_path / "run.kitti")
    rows = np.loadtxt(path).reshape(-1, 3, 4)
    assert len(rows) == scene.num_views
    np.testing.assert_allclose(rows[:, :, 3], scene.cameras.centers.numpy(), atol=1e-5)
    rotations = scene.cameras.cam_from_world[:, :, :3].transpose(1, 2).numpy()
    np.testing.assert_allclose(rows[:, :, :3], rotations, atol=1e-6)


def test_missing_folders_are_made(scene, tmp_path: Path):
    assert export(scene, tmp_path / "new" / "run.tum")[0].is_file()
