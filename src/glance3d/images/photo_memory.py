"""Memory of photos at their original size, while decoding them and while writing their depth.

A view on the network's grid is small; its photo may have a hundred times as many pixels. As many
photos are processed in parallel as fit into a fixed amount of memory, and at least one.
"""

import os
from collections.abc import Sequence

from glance3d.images.decoding.decode import decoded_size
from glance3d.types import ImageBatch, Placement

DECODING_ROOM = 2**30
WRITING_ROOM = 2**28
MOST_THREADS = 16
MOST_WRITERS = 4
# A pixel that is decoded, measured at 12 and 60 megapixels: four bytes of Pillow, and for a while
# as many of a copy (the conversion to RGB, or the photo turned upright).
_DECODING = 8
# A pixel of a depth preview, Pillow's; of one blanked by a mask; of an upright copy of a photo.
_WRITING, _WRITING_MASKED, _WRITING_TURNED = 4, 15, 8
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")


def decoded_bytes(name: str, placement: Placement, *, exact: bool = False) -> int:
    """Of one photo on its way to the network's grid; a JPEG may be decoded at a fraction."""
    width, height = placement.original_size
    if not exact and name.lower().endswith(_JPEG):
        scaled = [
            max(1, round(side * scale))
            for side, scale in zip(placement.original_size, placement.scale, strict=True)
        ]
        width, height = decoded_size((width, height), (2 * scaled[0], 2 * scaled[1]))
    return width * height * _DECODING


def side_by_side(sizes: Sequence[int], room: int, most: int) -> int:
    """How many of these fit together, were all as large as the largest; at least one."""
    return max(1, min(room // max(max(sizes, default=1), 1), len(sizes), most))


def num_decoders(sizes: Sequence[int]) -> int:
    """Threads that decode photos of these bytes."""
    return side_by_side(sizes, DECODING_ROOM, min(os.cpu_count() or 1, MOST_THREADS))


def written_bytes(placement: Placement, *, is_masked: bool) -> int:
    """Of one photo's depth or upright copy while it is written."""
    width, height = placement.original_size
    turned = _WRITING_TURNED if placement.exif_orientation > 1 else _WRITING
    return width * height * (_WRITING_MASKED if is_masked else turned)


def num_writers(sizes: Sequence[int]) -> int:
    """Threads that write what takes so many bytes for each photo."""
    return side_by_side(sizes, WRITING_ROOM, MOST_WRITERS)


def bytes_at_original_size(batch: ImageBatch, *, exact: bool = False) -> tuple[int, int]:
    """The most that is in flight while a batch is decoded, and while its depth is written."""
    decoded = [
        decoded_bytes(name, placement, exact=exact)
        for name, placement in zip(batch.names, batch.placements, strict=True)
    ]
    masks = batch.masks or (None,) * len(batch.names)
    written = [
        written_bytes(placement, is_masked=mask is not None)
        for placement, mask in zip(batch.placements, masks, strict=True)
    ]
    decoding = sum(sorted(decoded, reverse=True)[: num_decoders(decoded)])
    return decoding, sum(sorted(written, reverse=True)[: num_writers(written)])
