"""Scale from lengths that are known in a photo: distances between pixels, depth at pixels."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError, SceneError
from glance3d.geometry.cameras import camera_rays
from glance3d.geometry.filter import usable_depth
from glance3d.images.decoding.depth_maps import read_depth_map
from glance3d.metric_scale.constraints import (
    MAX_METRES,
    KnownDepth,
    KnownDepthMap,
    KnownDistance,
    Pixel,
    view_of,
)
from glance3d.metric_scale.estimates import (
    Measure,
    ScaleEstimate,
    combine_readings,
    student_quantile,
)
from glance3d.types import Reconstruction

# If readings at pixels around differ by a larger factor, a surface ends there.
_EDGE = 1.5
_TILES = 8
_FEWEST_PIXELS = 50


def scale_from_distances(
    scene: Reconstruction, distances: tuple[KnownDistance, ...]
) -> ScaleEstimate:
    """Metres a unit from distances between what pixels show."""
    readings, doubts = [], []
    for known in distances:
        view = _View(scene, view_of(known.photo, scene.names))
        name = (
            f"{scene.names[view.index]} {_pixel_text(known.first)} to {_pixel_text(known.second)}"
        )
        first, second = view.points_around(known.first), view.points_around(known.second)
        length = float((second[0] - first[0]).norm())
        spans = (second[None] - first[:, None]).norm(dim=-1)
        if length <= 0:
            raise InputError(f"the distance {name} is 0 in the scene: give pixels that are apart")
        readings.append(_reading(name, known.metres, length, spans))
        doubts += _edge_doubt(name, spans, length)
    return combine_readings("known distances", readings, tuple(doubts))


def scale_from_depths(
    scene: Reconstruction, depths: tuple[KnownDepth | KnownDepthMap, ...]
) -> ScaleEstimate:
    """Metres a unit from z-depth at pixels or of whole photos."""
    readings, doubts = [], []
    for known in depths:
        view = _View(scene, view_of(known.photo, scene.names))
        if isinstance(known, KnownDepthMap):
            readings.append(_reading_of_map(view, known))
            continue
        name = f"{scene.names[view.index]} {_pixel_text(known.pixel)}"
        around = view.depths_around(known.pixel)
        readings.append(_reading(name, known.metres, float(around[0]), around))
        doubts += _edge_doubt(name, around, float(around[0]))
    return combine_readings("known depth", readings, tuple(doubts))


@dataclass(frozen=True)
class _View:
    """One photo's depth map, by pixels of the original."""

    scene: Reconstruction
    index: int

    @property
    def depth(self) -> Float[Tensor, "height width"]:
        """NaN where unknown or padding."""
        if self.scene.depth is None:
            raise SceneError("the scene has no depth, by which lengths in photos are read")
        depth = self.scene.depth[self.index].double()
        return torch.where(self.scene.mask[self.index] & usable_depth(depth), depth, torch.nan)

    def depths_around(self, pixel: Pixel) -> Float[Tensor, " near"]:
        """The depth at a pixel, then those of its neighbours on the grid that are known."""
        x, y = self._on_grid(pixel)
        depth = self.depth
        height, width = depth.shape
        own = depth[y, x]
        near = depth[max(y - 1, 0) : min(y + 2, height), max(x - 1, 0) : min(x + 2, width)]
        if not own.isfinite():
            raise InputError(f"{self._named(pixel)} has no depth in the scene: choose another")
        return torch.cat([own[None], near[near.isfinite()]])

    def points_around(self, pixel: Pixel) -> Float[Tensor, "near 3"]:
        """What a pixel shows in the camera's frame, then what one grid pixel beside it would."""
        place, cameras = self.scene.placements[self.index], self.scene.cameras
        x, y = self._on_grid(pixel)
        depth = self.depth
        offsets = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
        shown = []
        for dx, dy in offsets:
            beside = (
                min(max(y + dy, 0), depth.shape[0] - 1),
                min(max(x + dx, 0), depth.shape[1] - 1),
            )
            at = (pixel[0] + dx / place.scale[0], pixel[1] + dy / place.scale[1])
            if depth[beside].isfinite():
                shown.append((at, depth[beside]))
            elif not shown:
                raise InputError(f"{self._named(pixel)} has no depth in the scene: choose another")
        pixels = torch.tensor([at for at, _ in shown], dtype=torch.float64)
        radial = None if cameras.radial is None else cameras.radial[self.index].double()
        rays = camera_rays(pixels, cameras.intrinsics[self.index].double(), radial)
        points = rays * torch.stack([value for _, value in shown])[:, None]
        return points[points.isfinite().all(-1)]

    def _on_grid(self, pixel: Pixel) -> tuple[int, int]:
        """The grid's pixel (column, row) that shows a pixel of the original."""
        place = self.scene.placements[self.index]
        width, height = place.original_size
        if not (0 <= pixel[0] <= width and 0 <= pixel[1] <= height):
            raise InputError(f"{self._named(pixel)} lies outside the photo: {width} x {height}")
        # A saved scene's depth may be on a finer grid than the network's.
        rows, columns = self.depth.shape
        finer = (columns / place.processed_size[0], rows / place.processed_size[1])
        x = math.floor((pixel[0] * place.scale[0] + place.offset[0]) * finer[0])
        y = math.floor((pixel[1] * place.scale[1] + place.offset[1]) * finer[1])
        x = x - 1 if x == columns and pixel[0] == width else x
        y = y - 1 if y == rows and pixel[1] == height else y
        if not (0 <= x < columns and 0 <= y < rows):
            raise InputError(f"{self._named(pixel)} was cut off: the network did not see it")
        return x, y

    def _named(self, pixel: Pixel) -> str:
        return f"the pixel {_pixel_text(pixel)} of {self.scene.names[self.index]}"


def _reading(name: str, metres: float, length: float, around: Tensor) -> Measure:
    """A known length over one of the scene, and over those that a pixel beside would give."""
    low, high = metres / float(around.max()), metres / max(float(around.min()), 1e-12 * length)
    return Measure(name, metres_per_unit=metres / length, interval=(low, high))


def _edge_doubt(name: str, around: Tensor, length: float) -> list[str]:
    if float(around.max()) <= _EDGE * length and float(around.min()) >= length / _EDGE:
        return []
    return [f"{name}: a pixel beside it shows something else: it may lie on the edge of a surface"]


def _reading_of_map(view: _View, known: KnownDepthMap) -> Measure:
    """The median of true over estimated depth; its error from that of tiles of the photo."""
    truth = read_depth_map(Path(known.path))
    depth, place = view.depth, view.scene.placements[view.index]
    rows, columns = depth.shape
    grid = torch.meshgrid(torch.arange(columns) + 0.5, torch.arange(rows) + 0.5, indexing="xy")
    processed = torch.stack(grid, -1).double() * (
        torch.tensor(place.processed_size).double() / torch.tensor([columns, rows])
    )
    size = torch.tensor(place.original_size).double()
    at = place.to_original(processed) / size * torch.tensor([truth.shape[1], truth.shape[0]])
    at = at.floor().long()
    inside = (at >= 0).all(-1) & (at[..., 0] < truth.shape[1]) & (at[..., 1] < truth.shape[0])
    x, y = torch.where(inside[..., None], at, 0).unbind(-1)
    known_depth = torch.from_numpy(truth[y.numpy(), x.numpy()].astype(np.float64))
    known_depth = known_depth * known.metres_per_step
    is_known = inside & (known_depth > 0) & (known_depth <= MAX_METRES)
    ratio = torch.where(is_known, known_depth / depth, torch.nan)
    name = f"{view.scene.names[view.index]} ({known.path.name})"
    if int(ratio.isfinite().sum()) < _FEWEST_PIXELS:
        raise InputError(f"{name}: fewer than {_FEWEST_PIXELS} pixels have both depths")
    logs = ratio.log()
    middle = float(logs.nanmedian())
    tiles = [
        tile.nanmedian()
        for band in logs.tensor_split(_TILES, 0)
        for tile in band.tensor_split(_TILES, 1)
        if tile.isfinite().any()
    ]
    scatter = 1.4826 * float((torch.stack(tiles) - middle).abs().median())
    reach = student_quantile(max(len(tiles) - 1, 1)) * scatter / math.sqrt(len(tiles))
    interval = (math.exp(middle - reach), math.exp(middle + reach))
    return Measure(name, metres_per_unit=math.exp(middle), interval=interval)


def _pixel_text(pixel: Pixel) -> str:
    return f"({pixel[0]:g}, {pixel[1]:g})"
