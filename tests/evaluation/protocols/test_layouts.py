"""Readers give the cameras and the depth that were drawn, whatever a layout's conventions are."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from glance3d.evaluation.protocols.layouts.table import LAYOUTS
from tests.evaluation.protocols import drawn
from tests.evaluation.protocols.drawn import INTRINSICS, Toy, toy, two_steps

SCAN = torch.arange(12.0, dtype=torch.float64).reshape(4, 3)
WRITERS: dict[str, Callable[[Path, Toy], None]] = {
    "re10k": lambda data, scene: drawn.write_re10k(data, "clip", scene),
    "co3d": lambda data, scene: drawn.write_co3d(data, "apple", {"1_2": scene}, ["1_2"]),
    "eth3d": lambda data, scene: drawn.write_eth3d(data, "facade", scene),
    "dtu": lambda data, scene: drawn.write_dtu(data, 24, scene, SCAN),
    "7-scenes": lambda data, scene: drawn.write_seven_scenes(data, "chess", 3, scene),
    "tum": lambda data, scene: drawn.write_tum(data, "rgbd_dataset_freiburg1_xyz", scene),
    "nrgbd": lambda data, scene: drawn.write_nrgbd(data, "kitchen", scene),
    "sintel": lambda data, scene: drawn.write_sintel(data, "alley_1", scene),
    "kitti-odometry": lambda data, scene: drawn.write_kitti_odometry(data, "04", scene, 0.5),
}
# Their intrinsics are the data set's own, whatever was drawn.
FIXED = {"7-scenes", "tum"}
WITH_DEPTH = {"co3d", "7-scenes", "tum", "nrgbd", "sintel"}


@pytest.mark.parametrize("name", WRITERS)
def test_cameras_and_depth_are_those_that_were_drawn(name, tmp_path):
    scene = toy(4, depth=two_steps(2.0, 4.0))
    WRITERS[name](tmp_path, scene)
    (listed,) = LAYOUTS[name].list_scenes(tmp_path)
    truth = listed.read([3, 1])
    wanted = scene.cam_from_world[[3, 1]]
    assert torch.allclose(truth.cameras.cam_from_world, wanted, atol=1e-6)
    if name not in FIXED:
        same = torch.allclose(truth.cameras.intrinsics, INTRINSICS.expand(2, 3, 3), atol=1e-6)
        assert same, truth.cameras.intrinsics
    assert (truth.load_depth is not None) == (name in WITH_DEPTH)
    if truth.load_depth is not None:
        depth = truth.load_depth(1)
        assert depth is not None
        known = slice(1, -1) if name == "co3d" else slice(None)  # which has a mask, and gaps
        assert torch.allclose(depth[known], scene.depth[1][known], atol=1e-4)


def test_a_pair_is_seen_from_its_first_camera(tmp_path):
    scene = toy(2)
    drawn.write_scannet_pairs(tmp_path, [("scene0707_00", scene)])
    (listed,) = LAYOUTS["scannet-pairs"].list_scenes(tmp_path)
    truth = listed.read([0, 1])
    # The first camera stands at the origin already, turned: the pair's world is its frame.
    wanted = torch.eye(3, 4, dtype=torch.float64)
    assert torch.allclose(truth.cameras.cam_from_world[0], wanted)
    wanted[:, 3] = scene.cam_from_world[1, :, 3]
    assert torch.allclose(truth.cameras.cam_from_world[1], wanted)
    assert torch.allclose(truth.cameras.intrinsics, INTRINSICS.expand(2, 3, 3))


def test_unknown_depth_and_lost_cameras_are_unknown(tmp_path):
    scene = toy(3)
    drawn.write_seven_scenes(tmp_path, "chess", 3, scene)
    sequence = tmp_path / "chess" / "seq-03"
    depth = torch.full((drawn.HEIGHT, drawn.WIDTH), 65535.0)
    depth[0] = 2000
    drawn.write_depth(sequence / "frame-000001.depth.png", depth, 1)
    lost = torch.full((4, 4), -torch.inf)
    (sequence / "frame-000002.pose.txt").write_text(drawn.rows(lost))
    (listed,) = LAYOUTS["7-scenes"].list_scenes(tmp_path)
    truth = listed.read([0, 1, 2])
    assert truth.cameras.cam_from_world.isnan().flatten(1).all(1).tolist() == [False, False, True]
    assert truth.load_depth is not None
    read = truth.load_depth(1)
    assert read is not None
    assert bool((read[0] == 2.0).all())
    assert bool((read[1:] == 0).all())


def test_what_a_scan_counts(tmp_path):
    drawn.write_dtu(tmp_path, 24, toy(3), SCAN)
    (listed,) = LAYOUTS["dtu"].list_scenes(tmp_path)
    truth = listed.read([0, 1, 2])
    assert truth.load_scan is not None
    scan = truth.load_scan()
    assert torch.equal(scan.points, SCAN)
    heights = torch.tensor([500.0, 545.0, 555.0, 650.0, 659.0, 661.0], dtype=torch.float64)
    points = torch.stack([0 * heights, 0 * heights, heights], -1)
    assert scan.observed is not None
    assert scan.counted is not None
    # Cells of 10 from 550 on, 11 of them, each around its corner: 545 to 655.
    assert scan.observed(points).tolist() == [False, True, True, True, False, False]
    assert scan.counted(points).tolist() == [True, True, True, True, True, False]
