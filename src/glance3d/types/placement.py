"""Where one photo lies on the network's pixel grid: the exact way there and back."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.cameras import scale_intrinsics


@dataclass(frozen=True)
class Placement:
    """Where one original, upright photo lies on the network's pixel grid.

    ``pixel_processed = pixel_original * scale + offset``, per axis (x, y), with the centre of the
    top-left pixel at (0.5, 0.5) on both sides. This one affine map records every resize, crop and
    pad, so that pixels, depth maps and intrinsics find the way back. Sizes are (width, height).

    ``exif_orientation`` (1 to 8) is what the file asked for; it has already been applied: the
    original, upright photo is what a person sees in a viewer.
    """

    original_size: tuple[int, int]
    processed_size: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    exif_orientation: int = 1

    @property
    def share_shown(self) -> float:
        """How much of the photo the network's grid shows, 0 to 1: less than 1 where it is cut."""
        share = 1.0
        for axis in (0, 1):
            length = self.original_size[axis] * self.scale[axis]
            first, last = self.offset[axis], self.offset[axis] + length
            share *= max(0.0, min(last, self.processed_size[axis]) - max(first, 0.0)) / length
        return share

    def to_processed(self, pixels_original: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Pixels of the original, upright photo, on the network's grid."""
        scale, offset = pixels_original.new_tensor([self.scale, self.offset])
        return pixels_original * scale + offset

    def to_original(self, pixels_processed: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Pixels of the network's grid, on the original, upright photo."""
        scale, offset = pixels_processed.new_tensor([self.scale, self.offset])
        return (pixels_processed - offset) / scale

    def intrinsics_to_processed(self, intrinsics: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
        """Intrinsics of the original photo, for the network's grid."""
        scale, offset = intrinsics.new_tensor([self.scale, self.offset])
        return scale_intrinsics(intrinsics, scale, offset)

    def intrinsics_to_original(self, intrinsics: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
        """Intrinsics on the network's grid, for the original photo."""
        scale, offset = intrinsics.new_tensor([self.scale, self.offset])
        return scale_intrinsics(intrinsics, 1 / scale, -offset / scale)

    def shows(self, pixels_original: Float[Tensor, "*n 2"]) -> Bool[Tensor, "*n"]:
        """Which pixels lie in the photo, and not in what a crop has cut off; False for NaN."""
        inside = torch.ones_like(pixels_original[..., 0], dtype=torch.bool)
        slack = 1e-3  # of a pixel, for rounding on the way
        for pixels, size in (
            (pixels_original, self.original_size),
            (self.to_processed(pixels_original), self.processed_size),
        ):
            upper = pixels.new_tensor(size) + slack
            inside &= ((pixels >= -slack) & (pixels <= upper)).all(-1)
        return inside

    def content_mask(self) -> Bool[Tensor, "height width"]:
        """True where the network's grid shows the photo, False on padding."""
        width, height = self.processed_size
        x = (torch.arange(width, dtype=torch.float64) + 0.5 - self.offset[0]) / self.scale[0]
        y = (torch.arange(height, dtype=torch.float64) + 0.5 - self.offset[1]) / self.scale[1]
        inside_x = (x > 0) & (x < self.original_size[0])
        inside_y = (y > 0) & (y < self.original_size[1])
        return inside_y[:, None] & inside_x[None, :]

    def map_to_original(
        self, grid: Float[Tensor, "height width"], mode: str = "nearest"
    ) -> Float[Tensor, "height_original width_original"]:
        """A map on the network's grid, resampled to every pixel of the original photo.

        ``mode`` is ``nearest`` (depth: never mixes front and back) or ``bilinear`` (never mixes in
        padding). Pixels that the network did not see (cut off by a crop) are 0.
        """
        grid_width, grid_height = self.processed_size
        if tuple(grid.shape) != (grid_height, grid_width):
            raise InputError(
                "the map of this photo must have the (height, width) that it was processed at, "
                f"{(grid_height, grid_width)}, got {tuple(grid.shape)}"
            )
        if mode not in ("nearest", "bilinear"):
            raise InputError(f"unknown resampling mode {mode!r}: choose from 'nearest', 'bilinear'")
        # The way back is affine per axis, so columns and rows are resampled one after the other.
        return self._resample(self._resample(grid, 0, mode), 1, mode)

    def _resample(
        self, grid: Float[Tensor, "rows columns"], axis: int, mode: str
    ) -> Float[Tensor, "rows_out columns_out"]:
        """``grid`` at the original's pixel centres along one axis (0 is x, 1 is y)."""
        length, scale, offset = self.processed_size[axis], self.scale[axis], self.offset[axis]
        centers = torch.arange(self.original_size[axis], dtype=torch.float64, device=grid.device)
        centers = (centers + 0.5) * scale + offset
        seen = (centers > 0) & (centers < length)
        dim = 1 - axis
        # One more entry, 0, stands for everything out of sight.
        entries = torch.cat([grid, torch.zeros_like(grid.narrow(dim, 0, 1))], dim)

        def take(index: Tensor) -> Tensor:
            return entries.index_select(dim, torch.where(seen, index, length))

        if mode == "nearest":
            return take(centers.floor().long().clamp(0, length - 1))
        first = max(0, round(offset))
        last = min(length, round(offset + self.original_size[axis] * scale)) - 1
        position = (centers - 0.5).clamp(first, last)
        before = position.floor().long()
        weight = (position - before).to(grid.dtype)
        after = (before + 1).clamp(max=last)
        return take(before).lerp_(take(after), weight if dim == 1 else weight[:, None])
