"""Depth from matches, and cameras in the unit of depth."""

import pytest
import torch

from glance3d.multiview import triangulation
from glance3d.multiview.triangulation import (
    _weighted_median,
    camera_scale_from_depth,
    sample_at_hd,
    triangulate_matches,
)
from tests.multiview.matched_scene import OPTIONS as ALL_OPTIONS
from tests.multiview.matched_scene import SIZE, matched_scene, pose_encodings

OPTIONS = ALL_OPTIONS.triangulation


def test_triangulated_depth_is_the_points_depth_in_the_cameras_unit() -> None:
    scene = matched_scene()
    pairs = scene.matches()
    depth, trust = triangulate_matches(pairs, pose_encodings(scene, 2.0), SIZE, OPTIONS)
    sure = trust[0, 0] > 0.3
    assert int(sure.sum()) > 20
    # The first view is the world's: points lie 4 to 8 before it.
    assert 1.5 < float(depth[0, 0][sure].min()) < float(depth[0, 0][sure].max()) < 4.5


def test_wrong_matches_are_hardly_trusted() -> None:
    scene = matched_scene()
    _, right = triangulate_matches(scene.matches(), pose_encodings(scene, 1.0), SIZE, OPTIONS)
    _, wrong = triangulate_matches(
        scene.matches(wrong=1.0), pose_encodings(scene, 1.0), SIZE, OPTIONS
    )
    assert float(wrong.mean()) < 0.1 * float(right.mean())


def test_maps_are_read_at_places_about_the_centre() -> None:
    x = torch.arange(128.0).expand(1, 1, 96, 128) + 0.5
    half = 80.0  # half the diagonal
    places = torch.tensor([[[[0.0, 0.0], [10 / half, 3 / half]]]])
    torch.testing.assert_close(sample_at_hd(x, places), torch.tensor([[[64.0, 74.0]]]))


@pytest.mark.parametrize("shrunk", [0.25, 1.0, 5.0])
def test_the_factor_is_that_of_the_cameras(shrunk: float, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = matched_scene()
    true, _ = triangulate_matches(scene.matches(), pose_encodings(scene, 1.0), SIZE, OPTIONS)
    monkeypatch.setattr(triangulation, "sample_at_hd", lambda *_: true)
    poses, maps = pose_encodings(scene, shrunk), torch.ones(1, 6, *SIZE)
    factor = camera_scale_from_depth(scene.matches(noise=0.001, wrong=0.2), poses, maps, OPTIONS)
    assert float(factor) == pytest.approx(shrunk, rel=0.05)


def test_nothing_known_changes_nothing() -> None:
    scene = matched_scene()
    nothing = scene.matches()._replace(weight=torch.zeros(1, 15, 150))
    maps = torch.ones(1, 6, *SIZE)
    assert float(
        camera_scale_from_depth(nothing, pose_encodings(scene, 4.0), maps, OPTIONS)
    ) == pytest.approx(1)
    still = torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 1, 1]).expand(1, 6, 9)
    assert float(camera_scale_from_depth(scene.matches(), still, maps, OPTIONS)) == pytest.approx(
        1, abs=0.2
    )


def test_the_median_weighs() -> None:
    values = torch.tensor([[5.0, 1, 3, 9], [5.0, 1, 3, 9]])
    weights = torch.tensor([[1.0, 1, 1, 1], [0, 0, 0.1, 2]])
    torch.testing.assert_close(_weighted_median(values, weights), torch.tensor([3.0, 9]))
