"""Points of a COLMAP model compared with the pixels at which photos see them."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import project_points
from glance3d.geometry.filter import spread_sample
from glance3d.photo_sets.conventions import Conventions, read_cameras_as
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.types import SparsePoints

#: Pixels of a photo with a diagonal of 1,000 that a point may be off.
CLOSE_PIXELS = 4.0
_OBSERVATIONS = 20_000


def reprojection_errors(
    photos: PhotoSet, sparse: SparsePoints, stated: Conventions, meant: Conventions
) -> Float[Tensor, " observations"]:
    """How far points are from where photos see them; infinite behind a camera.

    In pixels of a photo whose diagonal is 1,000, of some observations.
    """
    chosen = spread_sample(sparse.num_observations, _OBSERVATIONS)
    views = sparse.view_indices[chosen]
    points = sparse.points_world[sparse.point_indices[chosen]].double()[:, None]
    cameras = read_cameras_as(photos.cameras.double(), stated, meant)
    radial = None if cameras.radial is None else cameras.radial.double()[views]
    pixels, depth = project_points(
        points, cameras.cam_from_world[views], cameras.intrinsics[views], radial
    )
    off = (pixels[:, 0] - sparse.pixels_original[chosen]).norm(dim=-1)
    diagonal = cameras.image_sizes[views].double().norm(dim=-1)
    in_front = (depth[:, 0] > 0) & off.isfinite()
    return torch.where(in_front, off / diagonal * 1000, math.inf)
