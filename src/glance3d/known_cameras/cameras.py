"""Known cameras of a file, before they are matched to photos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.geometry.similarity import Similarity

if TYPE_CHECKING:
    from glance3d.known_cameras import KnownViews
    from glance3d.types import ImageBatch, Reconstruction

# Results are float32: beyond so many times the cameras' spread from the origin, as map coordinates
# lie, a pose would lose what a pixel can tell.
_FARTHEST_SPREADS = 1000.0


@dataclass(frozen=True)
class KnownCamera:
    """One photo's camera, as far as it is known; None is not known.

    ``name`` is the photo's path as the file says it, ``time`` its time stamp in seconds where the
    file says that instead. ``cam_from_world`` is 3x4 with OpenCV axes. ``intrinsics`` and
    ``radial`` (k1 of COLMAP's SIMPLE_RADIAL) are those of an image of ``size`` (width, height), or
    of the photo's own size where that is None; a principal point of NaN is the photo's centre.
    ``field_of_view_x`` and ``field_of_view_y`` (radians; either alone means square pixels) stand
    for focal lengths where the file gives no pixels at all. float64.
    """

    name: str | None
    cam_from_world: Float[Tensor, "3 4"] | None = None
    intrinsics: Float[Tensor, "3 3"] | None = None
    radial: float = 0.0
    size: tuple[int, int] | None = None
    field_of_view_x: float | None = None
    field_of_view_y: float | None = None
    time: float | None = None


@dataclass(frozen=True)
class KnownCameras:
    """Cameras that are known beforehand, of some photos or all.

    ``source`` is where they come from and ``format`` what kind of file that is; ``world`` says
    whose frame the poses are in and ``units`` what their lengths are ("arbitrary" or "metre").
    ``warnings`` are what was simplified on reading, or not understood. ``is_partial``: it is meant
    to know only some of the photos that it will be asked for.
    """

    source: str
    format: str
    cameras: tuple[KnownCamera, ...]
    world: str
    units: str = "arbitrary"
    warnings: tuple[str, ...] = ()
    is_partial: bool = False

    def __post_init__(self) -> None:
        """Refuse a file without any camera."""
        if not self.cameras:
            raise CamerasError(f"{self.source} must hold cameras, one entry a photo, got none")

    def __len__(self) -> int:
        return len(self.cameras)

    def for_views(self, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> "KnownViews":
        """What is known of these photos; see :func:`glance3d.known_cameras.match_views`."""
        from glance3d.known_cameras import match_views

        return match_views(self, names, sizes)

    def for_scene(self, scene: "Reconstruction | ImageBatch") -> "KnownViews":
        """What is known of a scene's photos, or of those that will be one."""
        from glance3d.known_cameras import match_known_cameras

        return match_known_cameras(self, scene)


def near_the_origin(known: KnownCameras) -> KnownCameras:
    """The same cameras, with the origin among them if it was as far away as map coordinates are.

    The shift is whole units of length, and ``world`` and ``warnings`` say it.
    """
    poses = [camera.cam_from_world for camera in known.cameras if camera.cam_from_world is not None]
    if not poses:
        return known
    rotations, shifts = torch.stack(poses).split([3, 1], dim=-1)
    centers = -(rotations.transpose(-1, -2) @ shifts)[..., 0]
    middle = centers.median(0).values
    spread = float((centers - middle).norm(dim=-1).median())
    if float(middle.norm()) <= _FARTHEST_SPREADS * max(spread, 1.0):
        return known
    origin = middle.round()
    shift = Similarity(1.0, torch.eye(3, dtype=torch.float64), -origin)
    text = ", ".join(f"{value:.0f}" for value in origin.tolist())
    moved = tuple(
        camera
        if camera.cam_from_world is None
        else replace(camera, cam_from_world=shift.transform_cameras(camera.cam_from_world))
        for camera in known.cameras
    )
    return replace(
        known,
        cameras=moved,
        world=f"{known.world}, its origin moved to ({text})",
        warnings=(
            *known.warnings,
            f"the cameras in {known.source} lie so far from their origin that positions would lose "
            f"digits: the origin was moved to ({text})",
        ),
    )
