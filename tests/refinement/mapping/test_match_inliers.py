"""A reconstruction is believed for the matches that it explains, not for the points it has."""

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.geometry.cameras import project_points
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.refinement.mapping.match_inliers import MatchInliers, count_match_inliers
from glance3d.refinement.pycolmap_interface import rigid_from_pose
from glance3d.types import Cameras

FOCAL = 300.0


@pytest.fixture
def cameras() -> Cameras:
    """Three cameras, each a step to the right of and turned a little against the one before."""
    poses = torch.eye(3, 4, dtype=torch.float64).repeat(3, 1, 1)
    for view in range(3):
        angle = torch.tensor(0.1 * view).double()
        poses[view, 0, 0] = poses[view, 2, 2] = angle.cos()
        poses[view, 0, 2], poses[view, 2, 0] = angle.sin(), -angle.sin()
        poses[view, :, 3] = torch.tensor([-0.5 * view, 0.02 * view, 0.1 * view])
    matrix = torch.tensor([[FOCAL, 0, 160], [0, FOCAL, 120], [0, 0, 1]], dtype=torch.float64)
    return Cameras(poses, matrix.repeat(3, 1, 1), torch.tensor([[320, 240]] * 3))


@pytest.fixture
def graph(cameras: Cameras) -> ViewGraph:
    """All pairs see 80 points; 50 matches of the last pair are wrong."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(80, 3, generator=generator).double() * torch.tensor([3, 2, 4]) + 2
    pixels = [
        project_points(points, cameras.cam_from_world[v], cameras.intrinsics[v])[0].numpy()
        for v in range(3)
    ]
    wrong = pixels[2].copy()
    wrong[:50, 1] += np.linspace(40, 90, 50)
    return ViewGraph(
        3,
        (
            VerifiedPair(0, 1, pixels[0], pixels[1], False),
            VerifiedPair(0, 2, pixels[0], pixels[2], False),
            VerifiedPair(1, 2, pixels[1], wrong, False),
        ),
    )


def reconstruct(
    cameras: Cameras, views: list[int], focal: float = FOCAL
) -> pycolmap.Reconstruction:
    """A COLMAP reconstruction of some views, numbered from 1."""
    reconstruction = pycolmap.Reconstruction()
    camera = pycolmap.Camera(
        model="SIMPLE_PINHOLE", width=320, height=240, params=[focal, 160, 120], camera_id=1
    )
    reconstruction.add_camera_with_trivial_rig(camera)
    for view in views:
        image = pycolmap.Image(f"{view}.png", camera_id=1, image_id=view + 1)
        reconstruction.add_image_with_trivial_frame(
            image, rigid_from_pose(cameras.cam_from_world[view])
        )
    return reconstruction


def test_the_truth_explains_what_is_right(cameras, graph):
    inliers = count_match_inliers(graph, cameras, reconstruct(cameras, [0, 1, 2]), [1, 2, 3])
    assert inliers == MatchInliers(190.0, 240.0)
    assert inliers.share == pytest.approx(190 / 240)


def test_a_missing_view_explains_none_of_its_matches(cameras, graph):
    inliers = count_match_inliers(graph, cameras, reconstruct(cameras, [0, 1]), [1, 2, 3])
    assert inliers == MatchInliers(80.0, 240.0)
    assert count_match_inliers(graph, cameras, None, [1, 2, 3]) == MatchInliers(0.0, 240.0)


def test_a_wrong_lens_explains_less(cameras, graph):
    right = count_match_inliers(graph, cameras, reconstruct(cameras, [0, 1, 2]), [1, 2, 3])
    wrong = count_match_inliers(graph, cameras, reconstruct(cameras, [0, 1, 2], 500), [1, 2, 3])
    assert wrong.explained < 0.7 * right.explained


def test_no_pair_counts_beyond_enough(cameras, graph):
    many = VerifiedPair(
        0,
        1,
        np.repeat(graph.pairs[0].pixels_first, 10, axis=0),
        np.repeat(graph.pairs[0].pixels_second, 10, axis=0),
        False,
    )
    inliers = count_match_inliers(
        ViewGraph(3, (many,)), cameras, reconstruct(cameras, [0, 1]), [1, 2, 3]
    )
    assert inliers.explained == pytest.approx(200)
    assert inliers.share == pytest.approx(1)


def test_without_matches_nothing_is_left_unexplained():
    assert MatchInliers(0.0, 0.0).share == 1
