"""The photos of a scene, read again at their original size."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from glance3d.errors import ImageError
from glance3d.images.decoding.decode import open_upright
from glance3d.images.finding.photo_search import find_photo
from glance3d.images.finding.sources import FoundSources
from glance3d.images.load import load_images
from glance3d.images.preprocess import Preprocessing
from glance3d.types import ImageBatch, Reconstruction

_KEPT = 4


class Originals:
    """``originals[view]`` is a photo, upright, at its original size: uint8 ``[height, width, 3]``.

    Photos are read when they are asked for, from where :func:`find_photo` finds them: where they
    came from, or as the scene's own upright copies, beside it or in ``folder``. ``photos`` replaces
    them for images that never were files.

    Raises:
        ImageError: a photo is nowhere, or what is there is not what was reconstructed.
    """

    def __init__(
        self,
        scene: Reconstruction,
        folder: str | Path | None = None,
        photos: Sequence[np.ndarray | Image.Image] | None = None,
    ) -> None:
        self.names = scene.names
        self.sizes = tuple(placement.original_size for placement in scene.placements)
        self._scene = scene
        self._folder = folder
        self._photos = photos
        self._read = lru_cache(maxsize=_KEPT)(self._open)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, view: int) -> UInt8[np.ndarray, "height width 3"]:
        if not 0 <= view < len(self):
            raise IndexError(view)
        return self._read(view)

    def as_sources(self) -> FoundSources | list[np.ndarray | Image.Image]:
        """The photos as :func:`glance3d.load_images` takes them."""
        return FoundSources(self.paths()) if self._photos is None else list(self._photos)

    def paths(self) -> tuple[Path, ...]:
        """The files of the photos. Raises ``ImageError`` where one is gone."""
        return tuple(self._path(view) for view in range(len(self)))

    def load(self, preprocessing: Preprocessing, *, progress: bool = False) -> ImageBatch:
        """All photos for a network, view by view as in the scene.

        Raises:
            ImageError: one is gone or cannot be read: the views after it would be shifted.
        """
        batch = load_images(self.as_sources(), preprocessing, progress=progress)
        if len(batch.names) != len(self):
            reasons = "; ".join(photo.reason for photo in batch.skipped)
            raise ImageError(f"a photo of the scene cannot be read again ({reasons}): put it back")
        return batch

    def _open(self, view: int) -> np.ndarray:
        if self._photos is not None:
            picture = self._photos[view]
            pixels = np.asarray(
                picture.convert("RGB") if isinstance(picture, Image.Image) else picture
            )
        else:
            pixels = np.asarray(open_upright(self._path(view)))
        size = pixels.shape[1], pixels.shape[0]
        if size != self.sizes[view]:
            raise ImageError(
                f"{self.names[view]} is {size[0]}x{size[1]} now, but was {self.sizes[view][0]}x"
                f"{self.sizes[view][1]} when it was reconstructed: give the photo as it was"
            )
        return pixels

    def _path(self, view: int) -> Path:
        return find_photo(self._scene, view, self._folder)
