"""A known camera in the pixels of the upright photo at its own size."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.formats.lenses import focal_of_angles, is_plausible_lens
from glance3d.geometry.cameras import scale_intrinsics
from glance3d.known_cameras.cameras import KnownCamera
from glance3d.known_cameras.matching.orientation import is_turned, stored_size, turned_upright
from glance3d.known_cameras.sentences import Sentences

Size = tuple[int, int]

# Sides of the photo that a principal point may be away from its middle where no size is stated.
_FARTHEST_CENTER = 0.25
# Times closer to one of two middles that a principal point must be to tell which is meant.
_CLEARLY = 2.0


def possible_readings(camera: KnownCamera, size: Size, orientation: int) -> tuple[bool, ...]:
    """Whether the camera may be of the upright photo (False), of its stored pixels (True)."""
    if not is_turned(orientation):
        return (False,)
    stored = stored_size(size, orientation)
    if camera.size is not None:
        fits = is_same_shape(camera.size, size), is_same_shape(camera.size, stored)
    else:
        fits = _fits_center(camera.intrinsics, size, stored)
    if fits[0] == fits[1]:
        return (False, True)
    return (fits[1],)


def _fits_center(
    intrinsics: Float[Tensor, "3 3"] | None, size: Size, stored: Size
) -> tuple[bool, bool]:
    """Whose middle a principal point is clearly nearer to; both where it is not clear."""
    if intrinsics is None or not intrinsics.isfinite().all() or size == stored:
        return True, True
    upright_off, stored_off = (
        float((intrinsics[:2, 2] - intrinsics.new_tensor(sides) / 2).norm())
        for sides in (size, stored)
    )
    return stored_off * _CLEARLY >= upright_off, upright_off * _CLEARLY >= stored_off


def fit_camera(
    camera: KnownCamera, name: str, size: Size, stored_as: int, notes: Sentences
) -> KnownCamera:
    """The camera for the upright photo of this size.

    ``stored_as`` is the EXIF orientation if the camera is of the stored pixels, 1 if it is of the
    upright picture. What cannot be used goes to ``notes``.
    """
    is_size_stated = camera.size is not None
    camera = replace(camera, size=camera.size or stored_size(size, stored_as))
    if is_turned(stored_as):
        camera = turned_upright(camera, stored_as)
    own_size = camera.size or size
    intrinsics = _intrinsics(camera, own_size)
    if intrinsics is None:
        return camera
    reason = None
    if not is_same_shape(own_size, size):
        reason = (
            f"they are for {own_size[0]}x{own_size[1]} pixels, the photo is {size[0]}x{size[1]}, "
            "of another shape"
        )
    elif not is_size_stated and _is_off_center(intrinsics, size):
        x, y = intrinsics[:2, 2].tolist()
        reason = (
            f"their principal point ({x:.0f}, {y:.0f}) is far from the middle of {size[0]}x"
            f"{size[1]} pixels, and the size that they are for is not stated"
        )
    elif not is_plausible_lens(intrinsics, camera.radial, own_size):
        reason = "a lens with such a focal length and distortion takes no photo"
    if reason is not None:
        notes.add(f"the known intrinsics of {{}} are not used: {reason}", name)
        return replace(camera, intrinsics=None)
    ratio = torch.tensor(size, dtype=torch.float64) / torch.tensor(own_size)
    scaled = intrinsics
    if own_size != size:
        scaled = scale_intrinsics(intrinsics, ratio, torch.zeros_like(ratio))
    return replace(camera, intrinsics=scaled, size=size)


def _intrinsics(camera: KnownCamera, size: Size) -> Float[Tensor, "3 3"] | None:
    """Whole intrinsics: from fields of view where those are stated, centred where nothing else."""
    middle = torch.tensor(size, dtype=torch.float64) / 2
    angles = camera.field_of_view_x, camera.field_of_view_y
    if camera.intrinsics is not None:
        intrinsics = camera.intrinsics.clone()
    elif any(angle is not None for angle in angles):
        intrinsics = torch.eye(3, dtype=torch.float64)
        intrinsics[[0, 1], [0, 1]] = middle.new_tensor(focal_of_angles(*angles, size))
        intrinsics[:2, 2] = torch.nan
    else:
        return None
    center = intrinsics[:2, 2]
    intrinsics[:2, 2] = torch.where(center.isnan(), middle, center)
    return intrinsics


def _is_off_center(intrinsics: Float[Tensor, "3 3"], size: Size) -> bool:
    sides = intrinsics.new_tensor(size)
    return bool(((intrinsics[:2, 2] - sides / 2).abs() > _FARTHEST_CENTER * sides).any())


def is_same_shape(a: Size, b: Size) -> bool:
    """Whether one is the other resized, but for rounding to whole pixels."""
    small, large = sorted((a, b))
    ratio = max(large) / max(small)
    return abs(large[0] - ratio * small[0]) <= ratio and abs(large[1] - ratio * small[1]) <= ratio
