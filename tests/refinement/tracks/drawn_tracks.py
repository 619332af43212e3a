"""Points of a drawn room, and where its photos show them."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from glance3d.refinement.tracks.local_warps import reference_observations
from glance3d.refinement.tracks.observations import TrackObservations
from glance3d.refinement.tracks.pyramids import Pyramid, build_pyramid
from tests.refinement.rendered import Room, arc, build_scene, photograph, with_tracks

MAX_ERROR = 2.4  # pixels
NUM_LEVELS = 2


@dataclass(frozen=True)
class DrawnTracks:
    """Observations with errors, their true pixels and the photos, view by view."""

    observations: TrackObservations
    true: Tensor
    photos: tuple[UInt8[np.ndarray, "height width 3"], ...]

    def pyramid(self, view: int) -> Pyramid:
        """A photo as it is looked at."""
        return build_pyramid(self.photos[view], 1600, NUM_LEVELS)

    def with_pixels(self, pixels: Tensor) -> "DrawnTracks":
        """The same with observations elsewhere."""
        return replace(self, observations=self.observations._replace(pixels=pixels))

    def others(self) -> Tensor:
        """Which observations are not their point's reference."""
        is_other = torch.ones(len(self.true), dtype=torch.bool)
        is_other[reference_observations(self.observations)] = False
        return is_other

    def errors(self, pixels: Tensor) -> Tensor:
        """How far observations are from the truth."""
        return (pixels - self.true).norm(dim=-1)


@cache
def room_with_noise() -> DrawnTracks:
    """A textured room; drawn once."""
    return draw_tracks(Room(), noise=1.0)


def draw_tracks(room: Room, num_views: int = 4, noise: float = 0.0) -> DrawnTracks:
    """Some 150 points; references are exact, the other observations off by ``noise`` pixels."""
    poses = arc(num_views)
    scene = with_tracks(build_scene([room] * num_views, poses), 150, noise=0.0)
    sparse, cameras = scene.sparse, scene.cameras
    assert sparse is not None
    order = sparse.point_indices.argsort(stable=True)
    true, views = sparse.pixels_original[order], sparse.view_indices[order]
    exact = TrackObservations(
        views,
        torch.arange(len(true)),
        sparse.point_indices[order],
        views,
        true,
        sparse.points_world.double(),
        cameras.cam_from_world.double(),
        cameras.intrinsics.double(),
        torch.zeros(num_views, dtype=torch.float64),
    )
    drawn = DrawnTracks(exact, true, tuple(np.asarray(photograph(room, p)) for p in poses))
    errors = noise * torch.randn(true.shape, generator=torch.Generator().manual_seed(0)).double()
    return drawn.with_pixels(torch.where(drawn.others()[:, None], true + errors, true))
