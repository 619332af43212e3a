"""Real photos of one scene with true cameras, and with depth or points where there are some."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import ImageError, InputError
from glance3d.geometry.cameras import camera_rays, pixel_grid
from glance3d.images.decoding.depth_maps import read_depth_map
from glance3d.types import Cameras, SparsePoints

# Depth of a photo of 1296 x 968 pixels may be 640 x 480.
_OTHER_SHAPE = 0.03


@dataclass(frozen=True)
class PhotoSet:
    """Photos of one scene with their true cameras, in the original, upright photos' pixels.

    Lengths are in ``units``; ``metric`` says whether those are true lengths. ``depth_paths`` and
    ``mask_paths`` have one entry a photo, None where there is none; ``sparse`` are measured points,
    as a COLMAP model has them. Read depth with :meth:`load_depth`. ``kind`` is the format it was
    read from, a key of :data:`glance3d.photo_sets.PHOTO_SET_FORMATS`; ``warnings`` say what was
    left out or simplified. ``depth_along`` is "ray" where the files hold distances from the camera.
    """

    name: str
    image_paths: tuple[Path, ...]
    cameras: Cameras
    depth_paths: tuple[Path | None, ...]
    depth_scale: float | None
    metric: bool
    units: str
    mask_paths: tuple[Path | None, ...] = ()
    sparse: SparsePoints | None = None
    kind: str = "cameras.json"
    warnings: tuple[str, ...] = ()
    depth_along: str = "z"

    def __len__(self) -> int:
        return len(self.image_paths)

    @property
    def has_depth(self) -> bool:
        """Whether any photo has depth."""
        return any(path is not None for path in self.depth_paths)

    def load_depth(self, view: int) -> Float[Tensor, "height width"]:
        """z-depth of one photo in ``units``, 0 where unknown; its grid may be coarser.

        Raises:
            ImageError: The map cannot be read, or is of another shape than the photo.
        """
        path = self.depth_paths[view]
        if path is None or self.depth_scale is None:
            raise InputError(f"photo {view} of {self.name} has no depth: check has_depth")
        values = torch.from_numpy(read_depth_map(path).astype(np.float32)) * self.depth_scale
        self._refuse_other_shape(view, path, values.shape)
        values = torch.where(values.isfinite() & (values > 0), values, 0.0)
        if self.depth_along == "ray":
            values = values / self._ray_lengths(view, values.shape)
        return values

    def _refuse_other_shape(self, view: int, path: Path, shape: torch.Size) -> None:
        (width, height), (rows, columns) = self.cameras.image_sizes[view].tolist(), shape
        rounding = 1 / min(rows, columns)
        if abs(columns * height / (rows * width) - 1) > _OTHER_SHAPE + rounding:
            raise ImageError(
                f"the depth map {path} must have the shape of its photo, {width} x {height}, got "
                f"{columns} x {rows}: turn or cut it as the photo is"
            )

    def _ray_lengths(self, view: int, shape: torch.Size) -> Float[Tensor, "height width"]:
        """Of a ray whose z is 1, at each pixel of a map of this shape."""
        height, width = shape
        size = self.cameras.image_sizes[view].float()
        pixels = pixel_grid(height, width) / size.new_tensor([width, height]) * size
        radial = None if self.cameras.radial is None else self.cameras.radial[view].float()
        rays = camera_rays(pixels.flatten(0, 1), self.cameras.intrinsics[view].float(), radial)
        return rays.norm(dim=-1).view(height, width)
