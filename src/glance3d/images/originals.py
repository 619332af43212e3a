"""The photos of a scene again, at their original size."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from glance3d.errors import ImageError
from glance3d.images.clips import file_of
from glance3d.images.decode import open_upright
from glance3d.images.file_names import photo_file_names
from glance3d.types import Reconstruction

_KEPT = 4


class Originals:
    """``originals[view]`` is a photo, upright, at its original size: uint8 ``[height, width, 3]``.

    Photos are read when they are asked for, from where they came from or, if they have moved since,
    from ``folder`` (where a saved scene keeps upright copies under the photos' names). ``photos``
    replaces both for images that never were files.

    Raises:
        ImageError: a photo is neither here nor there, or is not the one that was reconstructed.
    """

    def __init__(
        self,
        scene: Reconstruction,
        folder: str | Path | None = None,
        photos: Sequence[np.ndarray | Image.Image] | None = None,
    ) -> None:
        self.names = scene.names
        self.sizes = tuple(placement.original_size for placement in scene.placements)
        self._sources = scene.sources
        self._copies = photo_file_names(scene)
        self._folder = None if folder is None else Path(folder)
        self._photos = photos
        self._read = lru_cache(maxsize=_KEPT)(self._open)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, view: int) -> UInt8[np.ndarray, "height width 3"]:
        if not 0 <= view < len(self):
            raise IndexError(view)
        return self._read(view)

    def as_sources(self) -> list[Path | np.ndarray | Image.Image]:
        """The photos as :func:`glance3d.load_images` takes them."""
        if self._photos is not None:
            return list(self._photos)
        return [self._path(view) for view in range(len(self))]

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
        source = Path(self._sources[view])
        candidates = (
            [source] if self._folder is None else [source, self._folder / self._copies[view]]
        )
        for path in candidates:
            if file_of(path).is_file():
                return path
        raise ImageError(
            f"the photo {self.names[view]} is not at {' nor at '.join(map(str, candidates))} (any "
            "more): put it back, or reconstruct again"
        )
