"""Cameras in the unit of depth."""

import pytest
import torch

from glance3d.multiview import scale_alignment as common_scale
from glance3d.multiview.scale_alignment import (
    _median,
    camera_scale_from_depth,
)
from glance3d.multiview.triangulation import triangulate
from tests.multiview.matched_scene import SIZE, matched_scene, pose_encodings


@pytest.mark.parametrize("shrunk", [0.25, 1.0, 5.0])
def test_the_factor_is_that_of_the_cameras(shrunk: float, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = matched_scene()
    true, _ = triangulate(scene.matches(), pose_encodings(scene, 1.0), SIZE)
    monkeypatch.setattr(common_scale, "sample_at_places", lambda *_: true)
    poses, maps = pose_encodings(scene, shrunk), torch.ones(1, 6, *SIZE)
    factor = camera_scale_from_depth(scene.matches(noise=0.001, wrong=0.2), poses, maps)
    assert float(factor) == pytest.approx(shrunk, rel=0.05)


def test_nothing_known_changes_nothing() -> None:
    scene = matched_scene()
    nothing = scene.matches()._replace(weight=torch.zeros(1, 15, 150))
    maps = torch.ones(1, 6, *SIZE)
    assert float(
        camera_scale_from_depth(nothing, pose_encodings(scene, 4.0), maps)
    ) == pytest.approx(1)
    still = torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 1, 1]).expand(1, 6, 9)
    assert float(camera_scale_from_depth(scene.matches(), still, maps)) == pytest.approx(1, abs=0.2)


def test_the_median_weighs() -> None:
    values = torch.tensor([[5.0, 1, 3, 9], [5.0, 1, 3, 9]])
    weights = torch.tensor([[1.0, 1, 1, 1], [0, 0, 0.1, 2]])
    torch.testing.assert_close(_median(values, weights), torch.tensor([3.0, 9]))
