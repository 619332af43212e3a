"""The numbers of a view's tracks, by their definition."""

import pytest
import torch

from glance3d.trust.track_quality import measure_tracks
from tests.refinement.rendered import Room, arc, build_scene, with_tracks


def test_errors_are_those_that_were_put_in() -> None:
    scene = with_tracks(build_scene([Room()] * 3, arc(3)), num_points=2000, noise=1.0)
    for quality in measure_tracks(scene):
        # Distances of normal deviations in two dimensions: Rayleigh's median and 90 % quantile.
        assert quality.median_error == pytest.approx(1.177, abs=0.1)
        assert quality.p90_error == pytest.approx(2.146, abs=0.2)


def test_parallax_is_the_angle_between_the_rays() -> None:
    two = with_tracks(build_scene([Room()] * 2, arc(2, width=1.0)))
    assert two.sparse is not None
    rays = two.sparse.points_world[:, None] - two.cameras.centers.double()
    angle = torch.rad2deg(torch.acos(torch.cosine_similarity(rays[:, 0], rays[:, 1], dim=-1)))
    for quality in measure_tracks(two):
        assert quality.parallax == pytest.approx(float(angle.median()), rel=0.02)
        assert quality.num_partners == 1
