"""Which part of a photo counts: a person's mask, in the pixels of the original, upright photo."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from glance3d.errors import InputError
from glance3d.types.placement import Placement

# A pixel of a coarser grid is kept if its centre is, and this share of what it covers: a colour or
# a depth that is mostly somebody else's belongs to nobody.
_SHARE_KEPT = 0.75


@dataclass(frozen=True)
class PhotoMask:
    """Which pixels of one original, upright photo to keep, one bit a pixel.

    It is held at full size, because every grid that a photo is put on (the network's, a finer one
    for depth, the features') asks it anew; a bit a pixel makes twelve megapixels 1.5 MB. ``size``
    is (width, height); the bits run row by row, without gaps, the first in a byte's highest bit.
    """

    size: tuple[int, int]
    bits: UInt8[Tensor, " bytes"]

    def __post_init__(self) -> None:
        """Refuse bits that are not as many as the photo has pixels."""
        width, height = self.size
        if len(self.bits) != (width * height + 7) // 8:
            raise InputError(
                f"a mask of {width}x{height} pixels needs {(width * height + 7) // 8} bytes, "
                f"got {len(self.bits)}"
            )

    @classmethod
    def from_array(cls, keep: Bool[np.ndarray, "height width"]) -> "PhotoMask":
        """A mask that is True where the photo counts."""
        height, width = keep.shape
        return cls((width, height), torch.from_numpy(np.packbits(keep)))

    def to_array(self) -> Bool[np.ndarray, "height width"]:
        """True where the photo counts."""
        width, height = self.size
        flat = np.unpackbits(self.bits.numpy(), count=width * height)
        return flat.view(bool).reshape(height, width)

    @property
    def share(self) -> float:
        """How much of the photo is kept, 0 to 1."""
        return float(self.to_array().mean())

    def keeps(self, pixels_original: Float[Tensor, "*n 2"]) -> Bool[Tensor, "*n"]:
        """Which pixels (x, y) of the original photo count; none outside it, and no NaN."""
        width, height = self.size
        # What lies exactly on the right or lower edge belongs to the last pixel.
        known = pixels_original.nan_to_num(nan=-1.0).clamp(-1, 2**30)
        x, y = known.floor().long().unbind(-1)
        inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
        index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        byte = self.bits.to(index.device)[index >> 3].long()
        return inside & ((byte >> (7 - (index & 7))) & 1).bool()

    def on_grid(self, placement: Placement) -> Bool[Tensor, "height width"]:
        """Which pixels of a grid count: kept in their centre and in three quarters of their area.

        What the grid shows beside the photo (padding) does not.
        """
        keep = self.to_array()
        shares = _means(_means(keep.astype(np.float32), placement, 1), placement, 0)
        width, height = placement.processed_size
        x = (np.arange(width) + 0.5 - placement.offset[0]) / placement.scale[0]
        y = (np.arange(height) + 0.5 - placement.offset[1]) / placement.scale[1]
        columns = np.clip(x.astype(int), 0, self.size[0] - 1)
        rows = np.clip(y.astype(int), 0, self.size[1] - 1)
        kept = keep[np.ix_(rows, columns)] & (shares >= _SHARE_KEPT - 1e-4)
        return torch.from_numpy(kept) & placement.content_mask()


def _means(
    values: Float[np.ndarray, "rows columns"], placement: Placement, axis: int
) -> Float[np.ndarray, "rows_out columns_out"]:
    """The mean over what each pixel of the grid covers of the photo, along x (0) or y (1)."""
    dim = 1 - axis
    length = values.shape[dim]
    edges = np.arange(placement.processed_size[axis] + 1) - placement.offset[axis]
    edges = np.clip(edges / placement.scale[axis], 0, length)
    # Whole pixels from each edge to the next, and the fractions that the edges cut off.
    whole = np.minimum(edges.astype(int), length - 1)
    shape = (1, -1) if dim == 1 else (-1, 1)
    sums = np.add.reduceat(values, whole, dim).take(range(len(whole) - 1), dim)
    sums *= (np.diff(whole) > 0).reshape(shape)
    cut = values.take(whole, dim) * (edges - whole).astype(np.float32).reshape(shape)
    sums += np.diff(cut, axis=dim)
    return sums / np.maximum(np.diff(edges), 1e-9).astype(np.float32).reshape(shape)


Masks = tuple[PhotoMask | None, ...]


def kept_on_grids(
    placements: Sequence[Placement], masks: Sequence[PhotoMask | None]
) -> Bool[Tensor, "views height width"]:
    """True where a grid shows a photo, and the photo's mask, if it has one, keeps the pixel."""
    chosen = masks or [None] * len(placements)
    return torch.stack(
        [
            placement.content_mask() if mask is None else mask.on_grid(placement)
            for placement, mask in zip(placements, chosen, strict=True)
        ]
    )


def kept_pixels(
    masks: Sequence[PhotoMask | None], pixels_original: Float[Tensor, "views points 2"]
) -> Bool[Tensor, "views points"]:
    """Which pixels of every view's photo its mask keeps; all of them where there is none."""
    kept = torch.ones(pixels_original.shape[:-1], dtype=torch.bool)
    for view, mask in enumerate(masks):
        if mask is not None:
            kept[view] = mask.keeps(pixels_original[view])
    return kept
