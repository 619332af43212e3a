"""The layouts of Depth Anything 3: the longer or the shorter side is given, the other follows.

Photos are resized in two steps, as published: to the bound with the sides rounded to whole pixels,
and from there to whole patches. Where a side has less than half a patch, the published network
refuses the photo; here it keeps one patch.
"""

from collections.abc import Callable, Sequence

from PIL import Image

from glance3d.images.resampling import resize_by_area, resize_by_cubic

Size = tuple[int, int]
#: The side that is given: ``max``, the longer one (an upper bound), or ``min``, the shorter one.
BoundedSide = Callable[[Size], int]


def nearest_sizes(
    sizes: Sequence[Size], bound: int, side: BoundedSide, patch_size: int
) -> list[Size]:
    """The (width, height) in whole patches nearest to each photo at its bound; more on a tie."""

    def nearest(length: int) -> int:
        return max(1, (2 * length + patch_size) // (2 * patch_size)) * patch_size

    at_bound = (_at_bound(size, bound, side) for size in sizes)
    return [(nearest(width), nearest(height)) for width, height in at_bound]


def cropped_sizes(
    sizes: Sequence[Size], bound: int, side: BoundedSide, patch_size: int
) -> tuple[list[Size], Size]:
    """The (width, height) of each photo at its bound, and the whole patches that all of them show.

    Cropped in two steps as published, first each photo to whole patches and then to the smallest,
    a photo starts at the same pixel: what the second step takes is even.
    """
    resized = [
        (max(width, patch_size), max(height, patch_size))
        for width, height in (_at_bound(size, bound, side) for size in sizes)
    ]
    width, height = (
        min(lengths) // patch_size * patch_size for lengths in zip(*resized, strict=True)
    )
    return resized, (width, height)


def padded_sizes(sizes: Sequence[Size], bound: int, patch_size: int, max_pixels: int) -> list[Size]:
    """:func:`nearest_sizes` at the largest longer side whose canvas has at most ``max_pixels``."""
    for longer in range(bound, patch_size, -patch_size):
        resized = nearest_sizes(sizes, longer, max, patch_size)
        width, height = (max(lengths) for lengths in zip(*resized, strict=True))
        if width * height <= max_pixels:
            return resized
    return [(patch_size, patch_size)] * len(sizes)


def resize_by_bound(image: Image.Image, size: Size, side: BoundedSide) -> Image.Image:
    """A whole RGB photo at a (width, height) planned here, resized in two steps as published.

    To the bound by the mean of the area, or enlarged by a cubic; to whole patches by a cubic if
    a side grows, else by area. Levels are rounded after each.
    """
    at_bound = _at_bound(image.size, side(size), side)
    enlarges = side(size) > side(image.size)
    image = (resize_by_cubic if enlarges else resize_by_area)(image, at_bound)
    grows = size[0] > at_bound[0] or size[1] > at_bound[1]
    return (resize_by_cubic if grows else resize_by_area)(image, size)


def _at_bound(size: Size, bound: int, side: BoundedSide) -> Size:
    scale = bound / side(size)
    width, height = (max(1, round(length * scale)) for length in size)
    return width, height
