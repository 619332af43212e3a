"""Depth from matches."""

import torch

from glance3d.multiview.triangulation import sample_at_places, triangulate
from tests.multiview.matched_scene import SIZE, matched_scene, pose_encodings


def test_triangulated_depth_is_the_points_depth_in_the_cameras_unit() -> None:
    scene = matched_scene()
    pairs = scene.matches()
    depth, trust = triangulate(pairs, pose_encodings(scene, 2.0), SIZE)
    sure = trust[0, 0] > 0.3
    assert int(sure.sum()) > 20
    # The first view is the world's: points lie 4 to 8 before it.
    assert 1.5 < float(depth[0, 0][sure].min()) < float(depth[0, 0][sure].max()) < 4.5


def test_wrong_matches_are_hardly_trusted() -> None:
    scene = matched_scene()
    _, right = triangulate(scene.matches(), pose_encodings(scene, 1.0), SIZE)
    _, wrong = triangulate(scene.matches(wrong=1.0), pose_encodings(scene, 1.0), SIZE)
    assert float(wrong.mean()) < 0.1 * float(right.mean())


def test_maps_are_read_at_places_about_the_centre() -> None:
    x = torch.arange(128.0).expand(1, 1, 96, 128) + 0.5
    half = 80.0  # half the diagonal
    places = torch.tensor([[[[0.0, 0.0], [10 / half, 3 / half]]]])
    torch.testing.assert_close(sample_at_places(x, places), torch.tensor([[[64.0, 74.0]]]))
