"""WGS 84 as pycolmap has it."""

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.metric_scale import GeodeticOrigin, ecef_from_geodetic, enu_from_geodetic

WGS84 = pycolmap.GPSTransform(pycolmap.GPSTransformEllipsoid.WGS84)
PLACES = np.array(
    [
        [46.9481, 7.4474, 542.5],
        [-33.8568, 151.2153, 5.0],
        [31.5, 35.48, -430.0],
        [89.9, -120.0, 10.0],
        [0.0, -179.999, 8848.0],
    ]
)


def test_earth_centred_positions():
    theirs = WGS84.ellipsoid_to_ecef(PLACES)
    ours = ecef_from_geodetic(torch.from_numpy(PLACES))
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("place", range(len(PLACES)))
def test_local_frames(place):
    around = PLACES[place] + np.array([[0, 0, 0], [0.001, 0, 0], [0, 0.002, 0], [0.01, 0.02, 50]])
    theirs = WGS84.ellipsoid_to_enu(around, *PLACES[place])
    ours = enu_from_geodetic(torch.from_numpy(around), GeodeticOrigin(*PLACES[place]))
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-6)


def test_north_is_y_and_up_is_z():
    origin = GeodeticOrigin(46.9481, 7.4474, 542.5)
    moved = torch.tensor([[46.9491, 7.4474, 552.5], [46.9481, 7.4484, 542.5]]).double()
    north, east = enu_from_geodetic(moved, GeodeticOrigin(*PLACES[0]))
    assert north[1] == pytest.approx(111.2, abs=0.5)
    assert north[2] == pytest.approx(10, abs=0.01)
    assert east[0] == pytest.approx(76.1, abs=0.5)
    assert origin.world == "east-north-up at 46.9481000, 7.4474000, 542.50 m"
