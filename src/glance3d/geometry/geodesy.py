"""GPS positions in a local East-North-Up frame.

WGS 84 (NIMA TR8350.2, table 3.1 and section 4.3): latitude and longitude in degrees and height in
metres to Earth-centred, Earth-fixed coordinates, and from there to the plane that touches the
ellipsoid at an origin. Heights above the sea differ from those above the ellipsoid by up to 100 m,
but alike for all photos of one place: the difference falls out of a local frame.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

SEMI_MAJOR_AXIS = 6378137.0
FLATTENING = 1 / 298.257223563
_ECCENTRICITY_SQUARED = FLATTENING * (2 - FLATTENING)


@dataclass(frozen=True)
class GeodeticOrigin:
    """Where a local frame touches the earth: degrees and metres."""

    latitude: float
    longitude: float
    altitude: float

    @property
    def world(self) -> str:
        """The frame's name, as ``Reconstruction.world`` says it."""
        return f"east-north-up at {self.latitude:.7f}, {self.longitude:.7f}, {self.altitude:.2f} m"


def ecef_from_geodetic(geodetic: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """Earth-centred positions in metres of latitudes, longitudes (degrees) and heights; float64."""
    latitude, longitude = torch.deg2rad(geodetic[:, :2].double()).unbind(-1)
    height = geodetic[:, 2].double()
    sine, cosine = latitude.sin(), latitude.cos()
    normal = SEMI_MAJOR_AXIS / (1 - _ECCENTRICITY_SQUARED * sine * sine).sqrt()
    return torch.stack(
        [
            (normal + height) * cosine * longitude.cos(),
            (normal + height) * cosine * longitude.sin(),
            (normal * (1 - _ECCENTRICITY_SQUARED) + height) * sine,
        ],
        -1,
    )


def enu_from_geodetic(
    geodetic: Float[Tensor, "points 3"], origin: GeodeticOrigin
) -> Float[Tensor, "points 3"]:
    """Metres east, north and up of the origin; float64."""
    at = torch.tensor([[origin.latitude, origin.longitude, origin.altitude]], dtype=torch.float64)
    latitude, longitude = math.radians(origin.latitude), math.radians(origin.longitude)
    sin_lat, cos_lat = math.sin(latitude), math.cos(latitude)
    sin_lon, cos_lon = math.sin(longitude), math.cos(longitude)
    enu_from_ecef = at.new_tensor(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )
    return (ecef_from_geodetic(geodetic) - ecef_from_geodetic(at)) @ enu_from_ecef.T
