"""How the neighbourhood of a point looks from one camera, told from how it looks from another."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.geometry.cameras import project_points
from glance3d.refinement.tracks.observations import TrackObservations

# Of a point's distance: a step that is small, and large enough for float64.
_STEP = 1e-5


def reference_observations(observations: TrackObservations) -> Int[Tensor, " points"]:
    """For each point the observation from nearest to the middle of all directions it is seen from.

    From there it differs least from how the others see it.
    """
    rays = torch.nn.functional.normalize(
        observations.centres()[observations.views] - observations.positions[observations.points],
        dim=-1,
    )
    mean = torch.zeros_like(observations.positions).index_add_(0, observations.points, rays)
    nearness = (rays * torch.nn.functional.normalize(mean, dim=-1)[observations.points]).sum(-1)
    count = len(observations.positions)
    best = torch.full((count,), -2.0, dtype=rays.dtype)
    best = best.scatter_reduce(0, observations.points, nearness, "amax")
    is_best = nearness >= best[observations.points]
    rows = torch.where(is_best, torch.arange(len(rays)), len(rays))
    return torch.full((count,), len(rays)).scatter_reduce(0, observations.points, rows, "amin")


def expected_pixels(
    observations: TrackObservations,
    references: Int[Tensor, " points"],
    linear: Float[Tensor, "observations 2 2"],
) -> Float[Tensor, "observations 2"]:
    """Where cameras and points say that each view shows what the point's reference shows."""
    projected = observations.projected()
    missed = (observations.pixels - projected)[references][observations.points]
    return projected + (linear @ missed[..., None])[..., 0]


def linear_warps(
    observations: TrackObservations,
    references: Int[Tensor, " points"],
) -> Float[Tensor, "observations 2 2"]:
    """Derivatives of pixels by those of the point's reference, on a plane that faces that view."""
    towards = observations.centres()[observations.views[references]] - observations.positions
    normals = torch.nn.functional.normalize(towards, dim=-1)
    down = observations.poses[observations.views[references], 1, :3]
    first = torch.nn.functional.normalize(torch.linalg.cross(down, normals), dim=-1)
    second = torch.linalg.cross(normals, first)
    on_plane = torch.stack([first, second], 1)[observations.points]
    by_plane = _pixels_by_plane(observations, on_plane)
    return by_plane @ torch.linalg.inv(by_plane[references])[observations.points]


def _pixels_by_plane(
    observations: TrackObservations, on_plane: Float[Tensor, "observations 2 3"]
) -> Float[Tensor, "observations 2 2"]:
    """Derivatives of each observation's pixel by two unit steps on the plane."""
    views, points = observations.views, observations.positions[observations.points]
    distance = (observations.centres()[views] - points).norm(dim=-1)
    steps = _STEP * distance[:, None, None] * on_plane
    places = torch.stack([points + steps[:, 0], points + steps[:, 1]], 1)
    ends = torch.cat([places, 2 * points[:, None] - places], 1)  # [observations, 4, 3]
    pixels, _ = project_points(
        ends, observations.poses[views], observations.intrinsics[views], observations.radial[views]
    )
    return ((pixels[:, :2] - pixels[:, 2:]) / (2 * _STEP * distance[:, None, None])).mT
