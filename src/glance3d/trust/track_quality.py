"""How well each view's tracks determine its camera: their number, errors, parallax and spread."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import project_points
from glance3d.geometry.filter import usable_depth
from glance3d.geometry.free_space import depths_around
from glance3d.geometry.transforms import transform_points
from glance3d.types import Reconstruction, SparsePoints

#: A depth map agrees with a track within this share of the point's depth.
DEPTH_TOLERANCE = 0.1
# Coverage counts cells of a raster of 4 x 4.
_CELLS = 4


@dataclass(frozen=True)
class TrackQuality:
    """What one view's tracks say of it; None where there is nothing to say.

    Errors are in original pixels, ``parallax`` is the median over its tracks of the widest angle in
    degrees under which a track's point is seen from here and elsewhere, ``coverage`` the share of
    the cells of a 4 x 4 raster with any track.
    """

    num_tracks: int = 0
    num_partners: int = 0
    median_error: float | None = None
    p90_error: float | None = None
    depth_agreement: float | None = None
    parallax: float | None = None
    coverage: float = 0.0


def measure_tracks(scene: Reconstruction) -> list[TrackQuality]:
    """The quality of each view's tracks (``scene.sparse``)."""
    sparse = scene.sparse
    if sparse is None or not sparse.num_observations:
        return [TrackQuality()] * scene.num_views
    errors, parallax = _errors(scene, sparse), _parallax(scene, sparse)
    # seen[view, point]: two views are partners if they see any point in common.
    seen = torch.zeros(scene.num_views, len(sparse), dtype=torch.bool)
    seen[sparse.view_indices, sparse.point_indices] = True
    qualities = []
    for view in range(scene.num_views):
        own = sparse.view_indices == view
        if not bool(own.any()):
            qualities.append(TrackQuality())
            continue
        partners = seen[:, seen[view]].any(1)
        qualities.append(
            TrackQuality(
                num_tracks=int(seen[view].sum()),
                num_partners=int(partners.sum()) - 1,
                median_error=float(errors[own].quantile(0.5)),
                p90_error=float(errors[own].quantile(0.9)),
                depth_agreement=_depth_agreement(scene, sparse, view),
                parallax=float(parallax[own].quantile(0.5)),
                coverage=_coverage(scene, sparse, view),
            )
        )
    return qualities


def _errors(scene: Reconstruction, sparse: SparsePoints) -> Float[Tensor, " observations"]:
    """Reprojection error of each observation; of points behind the camera, the photo's diagonal."""
    cameras, views = scene.cameras, sparse.view_indices
    points = sparse.points_world[sparse.point_indices].double()[:, None]
    pixels, depth = project_points(
        points,
        cameras.cam_from_world.double()[views],
        cameras.intrinsics.double()[views],
        None if cameras.radial is None else cameras.radial.double()[views],
    )
    errors = (pixels[:, 0] - sparse.pixels_original.double()).norm(dim=-1)
    diagonal = cameras.image_sizes.double().norm(dim=-1)[views]
    return torch.where(depth[:, 0] > 0, errors.minimum(diagonal), diagonal)


def _parallax(scene: Reconstruction, sparse: SparsePoints) -> Float[Tensor, " observations"]:
    """Degrees between an observation's ray and the most different one of its point, nearly.

    By deviations from the point's mean direction, its own and the largest, which is exact for two
    views and linear in observations for many.
    """
    points = sparse.point_indices
    rays = (
        sparse.points_world[points].double() - scene.cameras.centers.double()[sparse.view_indices]
    )
    rays = torch.nn.functional.normalize(rays, dim=-1)
    mean = torch.zeros(len(sparse), 3, dtype=rays.dtype).index_add_(0, points, rays)
    chord = (rays - torch.nn.functional.normalize(mean, dim=-1)[points]).norm(dim=-1)
    angle = 2 * torch.asin((chord / 2).clamp(max=1))  # between unit vectors a chord apart
    largest = torch.zeros(len(sparse), dtype=rays.dtype).scatter_reduce(0, points, angle, "amax")
    return torch.rad2deg(angle + largest[points])


def _depth_agreement(scene: Reconstruction, sparse: SparsePoints, view: int) -> float | None:
    """The share of tracks, of those where depth is known, that lie on the depth map's surface."""
    if scene.depth is None:
        return None
    own = sparse.view_indices == view
    points = sparse.points_world[sparse.point_indices[own]].float()
    measured = transform_points(scene.cameras.cam_from_world[view].float(), points)[:, 2]
    pixels = scene.placements[view].to_processed(sparse.pixels_original[own].float())
    # Any of the four pixels around may agree: at an edge of depth they lie on two surfaces.
    around = depths_around(torch.where(scene.mask[view], scene.depth[view], 0.0), pixels)
    known = (around > 0).any(0) & usable_depth(measured)
    if not bool(known.any()):
        return None
    agrees = ((around - measured).abs() <= DEPTH_TOLERANCE * measured) & (around > 0)
    return float(agrees.any(0)[known].float().mean())


def _coverage(scene: Reconstruction, sparse: SparsePoints, view: int) -> float:
    size = scene.cameras.image_sizes[view].double()
    pixels = sparse.pixels_original[sparse.view_indices == view].double()
    cells = (pixels / size * _CELLS).long().clamp(0, _CELLS - 1)
    return len((cells[:, 1] * _CELLS + cells[:, 0]).unique()) / _CELLS**2
