"""Photos and depth previews for the page, as large as the budget allows."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from glance3d.exporters.maps.colormap import inverse_depth_range
from glance3d.exporters.presentation import depth_thumbnail, jpeg_bytes, photo_thumbnail
from glance3d.geometry.filter import usable_depth
from glance3d.types import Reconstruction

LARGEST_SIDE, SMALLEST_SIDE = 560, 40
# Small JPEGs take about so many bytes a pixel, and so many for their header.
_BYTES_OF_PIXEL, _HEADER = 0.25, 700
_NUM_THREADS = 4
_SHRINK = 0.8


@dataclass(frozen=True)
class Pictures:
    """JPEGs of one view; ``depth`` is None without depth."""

    photo: bytes
    depth: bytes | None

    @property
    def num_bytes(self) -> int:
        """Of both together."""
        return len(self.photo) + len(self.depth or b"")


def draw_pictures(scene: Reconstruction, max_bytes: int) -> list[Pictures | None]:
    """One pair a view, all together at most ``max_bytes``: smaller ones for more photos.

    Where even the smallest are too many, some views evenly spread get a picture and the others
    None.
    """
    side = _first_side(scene.num_views, max_bytes)
    while True:
        views = _views_with_pictures(scene.num_views, side, max_bytes)
        drawn = _drawn(scene, side, views)
        if sum(pair.num_bytes for pair in drawn.values()) <= max_bytes or not drawn:
            return [drawn.get(view) for view in range(scene.num_views)]
        if side <= SMALLEST_SIDE:
            return _as_many_as_fit(drawn, scene.num_views, max_bytes)
        side = max(SMALLEST_SIDE, int(side * _SHRINK))


def _first_side(num_views: int, max_bytes: int) -> int:
    """The side at which the pictures should just fit."""
    pixels = max(0.0, max_bytes / (2 * num_views) - _HEADER) / _BYTES_OF_PIXEL
    return int(min(LARGEST_SIDE, max(SMALLEST_SIDE, pixels**0.5)))


def _views_with_pictures(num_views: int, side: int, max_bytes: int) -> range:
    if side > SMALLEST_SIDE:
        return range(num_views)
    most = max(1, max_bytes // (2 * _HEADER))
    return range(0, num_views, -(-num_views // most))


def _drawn(scene: Reconstruction, side: int, views: range) -> dict[int, Pictures]:
    depth_range = None
    if scene.depth is not None:
        depth_range = inverse_depth_range(scene.depth, scene.mask & usable_depth(scene.depth))

    def draw(view: int) -> Pictures:
        photo = jpeg_bytes(photo_thumbnail(scene, view, side))
        if depth_range is None:
            return Pictures(photo, None)
        return Pictures(photo, jpeg_bytes(depth_thumbnail(scene, view, side, depth_range)))

    # Decoders leave Python's lock, so that photos are read side by side.
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        return dict(zip(views, pool.map(draw, views), strict=True))


def _as_many_as_fit(
    drawn: dict[int, Pictures], num_views: int, max_bytes: int
) -> list[Pictures | None]:
    """Every n-th of them, for the smallest n that fits."""
    views = list(drawn)
    for step in range(2, len(views) + 1):
        if sum(drawn[view].num_bytes for view in views[::step]) <= max_bytes:
            kept = set(views[::step])
            return [drawn[view] if view in kept else None for view in range(num_views)]
    return [None] * num_views
