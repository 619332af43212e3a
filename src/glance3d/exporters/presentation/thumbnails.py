"""Small pictures of the photos and of their depth, for pages and viewers."""

import io
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from glance3d.errors import Glance3DError
from glance3d.exporters.maps.colormap import colorize_depth
from glance3d.images.decoding.decode import open_upright, read_header
from glance3d.images.finding.photo_search import find_photo
from glance3d.types import Placement, Reconstruction


def photo_thumbnail(scene: Reconstruction, view: int, max_side: int) -> Image.Image:
    """One photo, upright, at most ``max_side`` pixels on a side.

    It is read from its source, or from the scene's own upright copy; if neither exists, from the
    network's input, which may be coarser.
    """
    size = thumbnail_size(scene.placements[view], max_side)
    path = _find_photo(scene, view)
    if path is not None:
        try:
            photo = open_upright(path, at_least=size)
            return photo.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        except Glance3DError:
            pass  # it was readable once: what the network saw of it is still here
    network_input = Image.fromarray(scene.colors[view].numpy())
    return _at_photo_size(network_input, scene.placements[view], size)


def depth_thumbnail(
    scene: Reconstruction, view: int, max_side: int, inverse_range: tuple[float, float]
) -> Image.Image:
    """One photo's depth in colour, of the same size as its thumbnail.

    ``inverse_range`` (``exporters.maps.colormap.inverse_depth_range``) is shared by all photos of a
    scene. The scene must have depth.
    """
    assert scene.depth is not None
    placement = scene.placements[view]
    valid: Bool[Tensor, "h w"] = scene.mask[view] & torch.isfinite(scene.depth[view])
    depth: Float[Tensor, "h w"] = scene.depth[view]
    colors = colorize_depth(depth, valid & (depth > 0), inverse_range)
    size = thumbnail_size(placement, max_side)
    return _at_photo_size(Image.fromarray(colors.numpy()), placement, size)


def thumbnail_size(placement: Placement, max_side: int) -> tuple[int, int]:
    """(width, height) of a photo's thumbnail: its shape, no side above ``max_side``."""
    width, height = placement.original_size
    scale = min(1.0, max_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def jpeg_bytes(picture: Image.Image, quality: int = 80) -> bytes:
    """The picture as a JPEG file's content."""
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def _find_photo(scene: Reconstruction, view: int) -> Path | None:
    """The file of this photo, if it still has the same size in pixels."""
    try:
        path = find_photo(scene, view)
        same_size = read_header(path).size == scene.placements[view].original_size
    except (Glance3DError, OSError):
        return None
    return path if same_size else None


def _at_photo_size(grid: Image.Image, placement: Placement, size: tuple[int, int]) -> Image.Image:
    """A picture on the network's grid, as the whole photo at another size; black where unseen."""
    scale = [
        original / small * per_pixel
        for original, small, per_pixel in zip(
            placement.original_size, size, placement.scale, strict=True
        )
    ]
    return grid.transform(
        size,
        Image.Transform.AFFINE,
        (scale[0], 0, placement.offset[0], 0, scale[1], placement.offset[1]),
        resample=Image.Resampling.BILINEAR,
    )
