"""Poses that the photos confirm, and poses that they contradict."""

import torch

from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.refinement.matching.pose_verification import verify_poses
from glance3d.types import Cameras
from tests.refinement.verified_pairs import graph_of, true_cameras


def test_true_poses_are_confirmed() -> None:
    verified = verify_poses(graph_of(true_cameras()), true_cameras(), range(4))
    assert verified.confirmed == (0, 1, 2, 3)
    assert verified.num_agreeing_pairs == verified.num_pairs == 6
    assert verified.contradicted == ()


def test_a_turned_pose_is_contradicted_and_the_others_are_not() -> None:
    truth = true_cameras()
    poses = truth.cam_from_world.clone()
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    poses[2] = turn @ poses[2]
    wrong = Cameras(poses, truth.intrinsics, truth.image_sizes)
    verified = verify_poses(graph_of(truth), wrong, range(4))
    assert verified.confirmed == (0, 1, 3)
    assert verified.contradicted == (2,)


def test_a_flat_pair_confirms_nothing() -> None:
    pairs = tuple(
        VerifiedPair(p.first, p.second, p.pixels_first, p.pixels_second, True)
        for p in graph_of(true_cameras()).pairs
    )
    verified = verify_poses(ViewGraph(4, pairs), true_cameras(), range(4))
    assert verified.confirmed == ()
    assert verified.num_pairs == 0
