"""The picture of one photo for the panel: the photo, with its depth beside it."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from glance3d.exporters.maps.colormap import inverse_depth_range
from glance3d.exporters.presentation import depth_thumbnail, photo_thumbnail
from glance3d.geometry.filter import usable_depth
from glance3d.types import Reconstruction

_SIDE = 480
_GAP = 6
_LEFT_OUT = np.array([90, 90, 110])  # what a mask leaves out fades into this


class PhotoPictures:
    """``pictures(view)`` is a photo beside its depth; the colour range is the whole scene's."""

    def __init__(self, scene: Reconstruction) -> None:
        self._scene = scene
        self._range = None
        if scene.depth is not None:
            self._range = inverse_depth_range(scene.depth, usable_depth(scene.depth) & scene.mask)

    def __call__(self, view: int, dimmed: bool = True) -> UInt8[np.ndarray, "h w 3"]:
        """The picture of one view, at most twice ``_SIDE`` wide; see :func:`small_photo`."""
        photo = small_photo(self._scene, view, _SIDE, dimmed)
        if self._range is None:
            return photo
        depth = np.asarray(depth_thumbnail(self._scene, view, _SIDE, self._range))
        gap = np.full((len(photo), _GAP, 3), 255, np.uint8)
        return np.concatenate([photo, gap, depth], 1)


def small_photo(
    scene: Reconstruction, view: int, max_side: int, dimmed: bool = True
) -> UInt8[np.ndarray, "h w 3"]:
    """A photo, resized; ``dimmed`` where its mask leaves it out, if it has one."""
    photo = photo_thumbnail(scene, view, max_side)
    mask = scene.masks[view] if scene.masks else None
    pixels = np.asarray(photo)
    if mask is None or not dimmed:
        return pixels
    keep = Image.fromarray(mask.to_array()).resize(photo.size, Image.Resampling.NEAREST)
    faint = (0.25 * pixels + 0.75 * _LEFT_OUT).astype(np.uint8)
    return np.where(np.asarray(keep)[..., None], pixels, faint)
