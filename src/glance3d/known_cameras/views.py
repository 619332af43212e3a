"""What is known of photos' cameras, in the pixels of the upright photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.transforms import is_known
from glance3d.text import counted
from glance3d.types import Cameras

_LISTED = 100  # unused cameras that a report lists by name


@dataclass(frozen=True)
class KnownViews:
    """What is known of each view's camera beforehand, float64; NaN is not known.

    ``intrinsics`` are pixels of the original, upright photo, ``radial`` is k1 of COLMAP's
    SIMPLE_RADIAL and known where intrinsics are. Poses are in the frame ``world``, lengths in
    ``units``. ``unused`` names cameras of the file without a photo. ``ambiguous`` names photos of
    which it is not known whether their cameras are of the upright picture or of the pixels as they
    are stored: here they are taken as upright, in ``as_stored`` the other way; see
    :mod:`glance3d.known_cameras.matching.readings`.
    """

    names: tuple[str, ...]
    cam_from_world: Float[Tensor, "views 3 4"]
    intrinsics: Float[Tensor, "views 3 3"]
    radial: Float[Tensor, " views"]
    world: str
    units: str
    source: str
    matched_by: str
    unused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    as_stored: "KnownViews | None" = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def has_pose(self) -> Bool[Tensor, " views"]:
        """Whose pose is known."""
        return is_known(self.cam_from_world)

    @property
    def has_intrinsics(self) -> Bool[Tensor, " views"]:
        """Whose intrinsics and distortion are known."""
        return is_known(self.intrinsics)

    @property
    def focal_lengths(self) -> Float[Tensor, " views"]:
        """In pixels of the original photos, the geometric mean of both axes; NaN is not known."""
        return self.intrinsics.diagonal(dim1=-2, dim2=-1)[:, :2].prod(-1).sqrt()

    def cameras(self, sizes: Sequence[tuple[int, int]]) -> Cameras | None:
        """Whole ones of all photos of these (width, height), float64; None where some lack."""
        if self.lack is not None:
            return None
        radial = self.radial if bool(self.radial.any()) else None
        return Cameras(self.cam_from_world, self.intrinsics, torch.tensor(sizes), radial)

    @property
    def lack(self) -> str | None:
        """What these lack to be whole cameras of all photos, in words; None: nothing."""
        if self.ambiguous:
            return (
                f"whether those of {counted(len(self.ambiguous), 'photo')} are of the upright "
                "picture or of the pixels as they are stored (EXIF orientation) is not clear"
            )
        if bool((self.has_pose & self.has_intrinsics).all()):
            return None
        return (
            f"of {counted(len(self), 'photo')} {int(self.has_pose.sum())} have a known pose and "
            f"{int(self.has_intrinsics.sum())} known intrinsics"
        )

    def describe(self) -> dict[str, Any]:
        """JSON-ready: which photos are known, by what."""
        return {
            "source": self.source,
            "matched_by": self.matched_by,
            "world": self.world,
            "units": self.units,
            "num_poses": int(self.has_pose.sum()),
            "num_intrinsics": int(self.has_intrinsics.sum()),
            "unknown": [n for n, k in zip(self.names, self._is_known(), strict=True) if not k],
            "num_unused": len(self.unused),
            "unused": list(self.unused[:_LISTED]),
            "ambiguous_orientation": list(self.ambiguous),
            "warnings": list(self.warnings),
        }

    def _is_known(self) -> list[bool]:
        return (self.has_pose | self.has_intrinsics).tolist()
