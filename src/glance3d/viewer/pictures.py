"""One photo for the panel: itself, and its depth beside it."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from glance3d.exporters.colormap import inverse_depth_range
from glance3d.exporters.presentation import depth_thumbnail, photo_thumbnail
from glance3d.geometry.filter import usable_depth
from glance3d.types import Reconstruction

_SIDE = 480
_GAP = 6


class PhotoPictures:
    """``pictures(view)`` is a photo beside its depth; the range of colours is the whole scene's."""

    def __init__(self, scene: Reconstruction, photos_folder: Path | None) -> None:
        self._scene = scene
        self._folder = photos_folder
        self._range = None
        if scene.depth is not None:
            self._range = inverse_depth_range(scene.depth, usable_depth(scene.depth) & scene.mask)

    def __call__(self, view: int) -> UInt8[np.ndarray, "h w 3"]:
        """The picture of one view, at most twice ``_SIDE`` wide."""
        pictures = [photo_thumbnail(self._scene, view, _SIDE, self._folder)]
        if self._range is not None:
            pictures.append(depth_thumbnail(self._scene, view, _SIDE, self._range))
        width = sum(picture.width for picture in pictures) + _GAP * (len(pictures) - 1)
        page = Image.new("RGB", (width, pictures[0].height), "white")
        left = 0
        for picture in pictures:
            page.paste(picture, (left, 0))
            left += picture.width + _GAP
        return np.asarray(page)
