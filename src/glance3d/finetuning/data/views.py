"""One photo of a set on the grid that is trained on, with its camera, depth and what counts."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from glance3d.errors import ImageError
from glance3d.geometry.cameras import pixel_grid, project_points
from glance3d.images import open_upright
from glance3d.images.masks import MaskedPhoto, read_mask
from glance3d.photo_sets import PhotoSet

_CACHED_PIXELS = 30_000_000  # of all views that are kept: 7 bytes each


@dataclass(frozen=True)
class TrainingView:
    """A photo scaled and cut to (height, width); ``depth`` is 0 where nothing is known."""

    pixels: UInt8[Tensor, "3 height width"]
    cam_from_world: Float[Tensor, "3 4"]
    intrinsics: Float[Tensor, "3 3"]
    depth: Float[Tensor, "height width"]
    keep: Bool[Tensor, "height width"]


@dataclass(frozen=True)
class _Cut:
    """The part of an original photo that is seen, from (x, y), and pixels there are to one here."""

    x: float
    y: float
    per_pixel: float


class PhotoSetViews:
    """The views of a set at one size, the last ones kept.

    A photo is cut to the shape of the grid around its principal point, as far as it reaches, and
    scaled. Depth is the nearest value of its map, or that of the model's points, at the pixels
    where photos see them; with ``cameras_only`` there is none.
    """

    def __init__(self, photos: PhotoSet, size: tuple[int, int], cameras_only: bool = False) -> None:
        self.photos, self.size = photos, size  # (height, width)
        self._cameras = photos.cameras.double()
        self._cameras_only = cameras_only
        count = max(8, _CACHED_PIXELS // (size[0] * size[1]))
        self.view = lru_cache(maxsize=count)(self._load)

    def _load(self, view: int) -> TrainingView:
        height, width = self.size
        image = open_upright(self.photos.image_paths[view])
        stated = tuple(self._cameras.image_sizes[view].tolist())
        if image.size != stated:
            raise ImageError(
                f"{self.photos.image_paths[view]} must be {stated[0]} x {stated[1]} pixels as its "
                f"camera says, got {image.width} x {image.height}"
            )
        intrinsics = self._cameras.intrinsics[view]
        cut = _cut_around((float(intrinsics[0, 2]), float(intrinsics[1, 2])), image.size, self.size)
        box = (cut.x, cut.y, cut.x + width * cut.per_pixel, cut.y + height * cut.per_pixel)
        small = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
        scaled = intrinsics.clone()
        scaled[:2, 2] -= scaled.new_tensor([cut.x, cut.y])
        scaled[:2] /= cut.per_pixel
        return TrainingView(
            torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous(),
            self._cameras.cam_from_world[view].float(),
            scaled.float(),
            self._depth(view, cut),
            self._keep(view, cut),
        )

    def _depth(self, view: int, cut: _Cut) -> Float[Tensor, "height width"]:
        if self._cameras_only:
            return torch.zeros(self.size)
        if self.photos.depth_paths[view] is not None:
            return _nearest(self.photos.load_depth(view), cut, self.size, self._size_of(view))
        return self._depth_of_points(view, cut)

    def _depth_of_points(self, view: int, cut: _Cut) -> Float[Tensor, "height width"]:
        """z-depth of the measured points that this photo sees, each at one pixel."""
        out, sparse = torch.zeros(self.size), self.photos.sparse
        if sparse is None:
            return out
        own = sparse.view_indices == view
        points = sparse.points_world[sparse.point_indices[own]].double()
        _, depth = project_points(
            points, self._cameras.cam_from_world[view], self._cameras.intrinsics[view]
        )
        at = sparse.pixels_original[own].double() - points.new_tensor([cut.x, cut.y])
        column, row = (at / cut.per_pixel).floor().long().unbind(-1)
        height, width = self.size
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (depth > 0)
        # The nearest of several points at one pixel is the last to be written.
        order = depth.argsort(descending=True)
        order = order[inside[order]]
        out[row[order], column[order]] = depth[order].float()
        return out

    def _keep(self, view: int, cut: _Cut) -> Bool[Tensor, "height width"]:
        path = self.photos.mask_paths[view] if self.photos.mask_paths else None
        if path is None:
            return torch.ones(self.size, dtype=torch.bool)
        source = self.photos.image_paths[view]
        mask = read_mask(path, MaskedPhoto(source.name, str(source), self._size_of(view)))
        whole = torch.from_numpy(mask.to_array().astype(np.float32))
        return _nearest(whole, cut, self.size, self._size_of(view)) > 0

    def _size_of(self, view: int) -> tuple[int, int]:
        width, height = self._cameras.image_sizes[view].tolist()
        return width, height


def _cut_around(
    centre: tuple[float, float], original: tuple[int, int], size: tuple[int, int]
) -> _Cut:
    """The largest part of the grid's shape, around ``centre`` as far as the photo reaches.

    ``original`` is (width, height), ``size`` the grid's (height, width).
    """
    height, width = size
    per_pixel = min(original[0] / width, original[1] / height)

    def start(middle: float, span: float, side: int) -> float:
        return min(max(middle - span / 2, 0.0), side - span)

    x = start(centre[0], width * per_pixel, original[0])
    return _Cut(x, start(centre[1], height * per_pixel, original[1]), per_pixel)


def _nearest(
    values: Float[Tensor, "rows columns"],
    cut: _Cut,
    size: tuple[int, int],
    original: tuple[int, int],
) -> Float[Tensor, "height width"]:
    """The value nearest to each pixel of the cut, of a map over the whole photo."""
    pixels = pixel_grid(*size).double() * cut.per_pixel + torch.tensor([cut.x, cut.y])
    rows, columns = values.shape
    column = (pixels[..., 0] / original[0] * columns).long().clamp(0, columns - 1)
    row = (pixels[..., 1] / original[1] * rows).long().clamp(0, rows - 1)
    return values[row, column]


def grid_size(photos: PhotoSet, max_pixels: int, multiple: int) -> tuple[int, int]:
    """(height, width) of the grid for a set: the shape of most photos, not enlarged."""
    widths, heights = photos.cameras.image_sizes.double().median(dim=0).values.tolist()
    scale = min(1.0, (max_pixels / (widths * heights)) ** 0.5)
    rows, columns = (max(1, int(side * scale / multiple)) for side in (heights, widths))
    return rows * multiple, columns * multiple
