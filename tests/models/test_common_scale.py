"""Cameras in the unit of depth."""

import pytest
import torch

from glance3d.models.correspondence import common_scale
from glance3d.models.correspondence.common_scale import (
    _at_places,
    _median,
    _triangulate,
    scale_of_cameras,
)
from glance3d.models.correspondence.first_poses import fields_of_view
from tests.models.matched_scene import FOCAL, MatchedScene, matched_scene

SIZE = torch.Size((96, 128))


def pose_encodings(scene: MatchedScene, shrunk: float) -> torch.Tensor:
    """Of all views, their translations too small by a factor."""
    to_first = scene.pose_encodings()[:, 0]
    fields = fields_of_view(torch.tensor([FOCAL]), (96, 128))[:, None].expand(-1, 6, -1)
    return torch.cat([to_first[..., :3] / shrunk, to_first[..., 3:7], fields], -1)


def test_triangulated_depth_is_the_points_depth_in_the_cameras_unit() -> None:
    scene = matched_scene()
    pairs = scene.matches()
    depth, trust = _triangulate(pairs, pose_encodings(scene, 2.0), SIZE)
    sure = trust[0, 0] > 0.3
    assert int(sure.sum()) > 20
    # The first view is the world's: points lie 4 to 8 before it.
    assert 1.5 < float(depth[0, 0][sure].min()) < float(depth[0, 0][sure].max()) < 4.5


def test_wrong_matches_are_hardly_trusted() -> None:
    scene = matched_scene()
    _, right = _triangulate(scene.matches(), pose_encodings(scene, 1.0), SIZE)
    _, wrong = _triangulate(scene.matches(wrong=1.0), pose_encodings(scene, 1.0), SIZE)
    assert float(wrong.mean()) < 0.1 * float(right.mean())


@pytest.mark.parametrize("shrunk", [0.25, 1.0, 5.0])
def test_the_factor_is_that_of_the_cameras(shrunk: float, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = matched_scene()
    true, _ = _triangulate(scene.matches(), pose_encodings(scene, 1.0), SIZE)
    monkeypatch.setattr(common_scale, "_at_places", lambda *_: true)
    poses, maps = pose_encodings(scene, shrunk), torch.ones(1, 6, *SIZE)
    factor = scale_of_cameras(scene.matches(noise=0.001, wrong=0.2), poses, maps)
    assert float(factor) == pytest.approx(shrunk, rel=0.05)


def test_nothing_known_changes_nothing() -> None:
    scene = matched_scene()
    nothing = scene.matches()._replace(weight=torch.zeros(1, 15, 150))
    maps = torch.ones(1, 6, *SIZE)
    assert float(scale_of_cameras(nothing, pose_encodings(scene, 4.0), maps)) == pytest.approx(1)
    still = torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 1, 1]).expand(1, 6, 9)
    assert float(scale_of_cameras(scene.matches(), still, maps)) == pytest.approx(1, abs=0.2)


def test_depth_is_read_at_places_about_the_centre() -> None:
    x = torch.arange(128.0).expand(1, 1, 96, 128) + 0.5
    half = 80.0  # half the diagonal
    places = torch.tensor([[[[0.0, 0.0], [10 / half, 3 / half]]]])
    torch.testing.assert_close(_at_places(x, places), torch.tensor([[[64.0, 74.0]]]))


def test_the_median_weighs() -> None:
    values = torch.tensor([[5.0, 1, 3, 9], [5.0, 1, 3, 9]])
    weights = torch.tensor([[1.0, 1, 1, 1], [0, 0, 0.1, 2]])
    torch.testing.assert_close(_median(values, weights), torch.tensor([3.0, 9]))
