"""Depth of one view compared with that of another, through their cameras.

A pixel of one view with its depth is a point; another view sees it at some pixel, and its own depth
there says how far the point should be. Where cameras, intrinsics and depth are read as they are
meant, both agree, but for what is hidden.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor

from glance3d.geometry.cameras import camera_rays, pixel_grid, project_points
from glance3d.geometry.filter import spread_sample
from glance3d.geometry.transforms import invert, transform_points
from glance3d.photo_sets.conventions import Conventions, read_cameras_as
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.types import Cameras

#: Depths whose logarithms differ by less are of one surface.
AGREES = 0.05
_PIXELS = 400  # of each view
_LONGEST_SIDE = 640  # of depth maps that are kept


@dataclass(frozen=True)
class DepthSamples:
    """Pixels with depth of some views of a set, and the views' whole maps to look others up in.

    ``pixels`` are of the original photo, ``maps`` may be coarser; depth is what the format says,
    in its units, 0 where unknown.
    """

    views: tuple[int, ...]
    pixels: tuple[Float[Tensor, "pixels 2"], ...]
    depth: tuple[Float[Tensor, " pixels"], ...]
    maps: tuple[Float[Tensor, "height width"], ...]

    @property
    def empty(self) -> tuple[int, ...]:
        """The views in whose maps nothing is known."""
        return tuple(v for v, own in zip(self.views, self.depth, strict=True) if not len(own))

    def without_empty(self) -> "DepthSamples":
        """Those of the views whose maps say something."""
        kept = [place for place, own in enumerate(self.depth) if len(own)]
        return DepthSamples(
            tuple(self.views[place] for place in kept),
            tuple(self.pixels[place] for place in kept),
            tuple(self.depth[place] for place in kept),
            tuple(self.maps[place] for place in kept),
        )


@dataclass(frozen=True)
class Transfer:
    """Points of one view seen by another.

    ``ratio`` is the depth at which the other view should see a point, over the depth that it has
    there; NaN for points outside of its photo, behind it, or where its depth is unknown.
    """

    ratio: Float[Tensor, "*factors points"]

    @property
    def inside(self) -> Bool[Tensor, "*factors points"]:
        """Which points can be compared."""
        return self.ratio.isfinite()

    def agreeing(self, tolerance: float = AGREES) -> Float[Tensor, "*factors"]:
        """The share of all points that lie on the surface which the other view sees."""
        return (self.ratio.log().abs() < tolerance).double().mean(-1)

    @property
    def error(self) -> float:
        """The median relative difference of depths that can be compared; NaN if there are none."""
        logs = self.ratio[self.inside].log().abs()
        return math.expm1(float(logs.median())) if len(logs) else math.nan


def sample_depth(
    photos: PhotoSet,
    views: list[int],
    num_pixels: int = _PIXELS,
    longest_side: int = _LONGEST_SIDE,
) -> DepthSamples:
    """Depth of these views at the same pixels on every call, and maps with no longer sides."""
    pixels, depths, maps = [], [], []
    for view in views:
        depth = photos.load_depth(view).double()
        step = max(1, -(-max(depth.shape) // longest_side))
        depth = depth[step // 2 :: step, step // 2 :: step].contiguous()
        places = depth.flatten().nonzero()[:, 0]
        places = places[spread_sample(len(places), num_pixels)]
        height, width = depth.shape
        grid = pixel_grid(height, width).flatten(0, 1)[places].double()
        size = photos.cameras.image_sizes[view].double()
        pixels.append(grid / grid.new_tensor([width, height]) * size)
        depths.append(depth.flatten()[places])
        maps.append(depth)
    return DepthSamples(tuple(views), tuple(pixels), tuple(depths), tuple(maps))


class DepthReading:
    """The samples of a set with its numbers read in one way."""

    def __init__(
        self, cameras: Cameras, samples: DepthSamples, stated: Conventions, meant: Conventions
    ) -> None:
        own = cameras.double().of_views(samples.views)
        self.cameras = read_cameras_as(own, stated, meant)
        self.samples = samples
        self.factor = meant.depth_factor / stated.depth_factor
        self.along = meant.depth_along

    def transfer(self, source: int, target: int, scale: float | Tensor = 1.0) -> Transfer:
        """Pixels of one sampled view in another; depth of both times ``scale`` as well.

        A ``scale`` with dimensions gives as many results, one row each.
        """
        samples, factor = self.samples, self.factor * torch.as_tensor(scale, dtype=torch.float64)
        pixels, depth = samples.pixels[source], samples.depth[source]
        rays = camera_rays(pixels, self.cameras.intrinsics[source], self._radial(source))
        stretch = rays.norm(dim=-1) if self.along == "ray" else torch.ones_like(depth)
        points = rays * (depth / stretch)[:, None] * factor[..., None, None]
        world = transform_points(invert(self.cameras.cam_from_world[source]), points.reshape(-1, 3))
        pose, matrix = self.cameras.cam_from_world[target], self.cameras.intrinsics[target]
        seen, expected = project_points(world, pose, matrix, self._radial(target))
        size = self.cameras.image_sizes[target]
        there = depth_at(samples.maps[target], size, seen)
        if self.along == "ray":
            there = there / camera_rays(seen, matrix, self._radial(target)).norm(dim=-1)
        shape = points.shape[:-1]
        expected, there = expected.view(shape), there.view(shape) * factor[..., None]
        return Transfer(torch.where((expected > 0) & (there > 0), expected / there, math.nan))

    def _radial(self, view: int) -> Float[Tensor, ""] | None:
        return None if self.cameras.radial is None else self.cameras.radial[view].double()


def depth_at(
    depth: Float[Tensor, "height width"],
    size: Real[Tensor, "2"],
    pixels: Float[Tensor, "points 2"],
) -> Float[Tensor, " points"]:
    """A map's value at pixels of its photo, whose ``size`` is (width, height); 0 outside of it."""
    inside = ((pixels >= 0) & (pixels < size)).all(-1)
    height, width = depth.shape
    on_map = pixels / size * pixels.new_tensor([width, height])
    x, y = torch.where(inside[:, None], on_map, 0.0).long().unbind(-1)
    return torch.where(inside, depth[y.clamp(max=height - 1), x.clamp(max=width - 1)], 0.0)
