"""Points of a first view, followed to the others through depth and cameras that are known."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.cameras import camera_rays, project_points
from glance3d.geometry.transforms import invert, transform_points

_SAME_SURFACE = math.log(1.03)
_CANDIDATES = 8  # times as many pixels are looked at as are wanted


def draw_tracks(
    depth: Float[Tensor, "views height width"],
    cam_from_world: Float[Tensor, "views 3 4"],
    intrinsics: Float[Tensor, "views 3 3"],
    num_queries: int,
    rng: np.random.Generator,
) -> tuple[
    Float[Tensor, "queries 2"], Float[Tensor, "views queries 2"], Bool[Tensor, "views queries"]
]:
    """Query points [x, y] of the first view, where they are in every view, and whether seen there.

    Of a point it must be known of every view whether it sees it: it does where its own depth is the
    same, and does not where that is nearer or the point is outside. Points that land where there is
    no depth, or before the surface that is there, are not taken. Where no point is known so, all
    are seen nowhere, so that they count in no loss.
    """
    views, height, width = depth.shape
    known = depth[0].flatten().nonzero()[:, 0].numpy()
    if not len(known):
        nowhere = torch.zeros(views, num_queries, 2)
        return nowhere[0], nowhere, torch.zeros(views, num_queries, dtype=torch.bool)
    drawn = torch.from_numpy(rng.choice(known, _CANDIDATES * num_queries))
    pixels = torch.stack([drawn % width, drawn // width], -1).double() + 0.5
    rays = camera_rays(pixels, intrinsics[0].double())
    seen = rays * depth[0].flatten()[drawn, None].double()
    world = transform_points(invert(cam_from_world[0].double()), seen)
    tracks, far = project_points(
        world.expand(views, -1, -1), cam_from_world.double(), intrinsics.double()
    )
    limit = tracks.new_tensor([width, height])
    inside = (far > 0) & ((tracks >= 0) & (tracks < limit)).all(-1)
    column, row = torch.where(inside[..., None], tracks, 0.0).long().unbind(-1)
    there = depth.double().flatten(1).gather(1, row * width + column)
    # Positive where the view's own surface is nearer than the point: that hides it.
    hidden_by = far.clamp(min=1e-12).log() - there.clamp(min=1e-12).log()
    visible = inside & (there > 0) & (hidden_by.abs() < _SAME_SURFACE)
    hidden = ~inside | ((there > 0) & (hidden_by >= _SAME_SURFACE))
    sure = ((visible | hidden).all(0) & (far > 0).all(0)).nonzero()[:, 0]
    if not len(sure):
        visible, sure = torch.zeros_like(visible), torch.arange(len(drawn))
    # With repetitions, where there are fewer than wanted.
    chosen = sure[torch.arange(num_queries) % len(sure)]
    return (
        pixels[chosen].float(),
        tracks[:, chosen].float().clamp(-1e6, 1e6),
        visible[:, chosen],
    )
