"""Constraints on a scene's true size and position."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.files.name_keys import name_key

#: Bounds of lengths in a photo, and of the step of a depth map.
MIN_METRES, MAX_METRES = 1e-9, 1e9
Number = int | float
Pixel = tuple[Number, Number]


@dataclass(frozen=True)
class KnownPoses:
    """``cam_from_world`` of each view in a world that is wanted, NaN where it is not known.

    ``world`` names that world; only where its ``units`` are "metre" do the poses give a scale.
    """

    cam_from_world: Float[Tensor, "views 3 4"]
    world: str
    units: str = "arbitrary"


@dataclass(frozen=True)
class KnownDistance:
    """The straight distance in metres between what two pixels of one photo show.

    Pixels (x, y) are of the original, upright photo, the top-left one's centre at (0.5, 0.5).
    """

    photo: str
    first: Pixel
    second: Pixel
    metres: Number

    def __post_init__(self) -> None:
        """Refuse what is no distance."""
        _refuse_length(self.metres, f"the distance in {self.photo}")
        if self.first == self.second:
            raise InputError(f"a distance in {self.photo} needs two different pixels")


@dataclass(frozen=True)
class KnownDepth:
    """The z-depth in metres (along the optical axis) of what one pixel of a photo shows."""

    photo: str
    pixel: Pixel
    metres: Number

    def __post_init__(self) -> None:
        """Refuse what is no depth."""
        _refuse_length(self.metres, f"the depth in {self.photo}")


@dataclass(frozen=True)
class KnownDepthMap:
    """A photo's z-depth from elsewhere: a .npy, or an image of one channel; 0 is unknown.

    Values times ``metres_per_step`` are metres. The map shows the whole upright photo, in any size.
    """

    photo: str
    path: Path
    metres_per_step: Number = 1.0

    def __post_init__(self) -> None:
        """Refuse a step that is no length."""
        _refuse_length(self.metres_per_step, f"the step of the depth map {self.path.name}")


@dataclass(frozen=True)
class MetricConstraints:
    """Everything known of a scene's size and place; each part may be missing.

    ``poses`` are known of some photos, ``gps`` uses the positions in the photos' EXIF.
    """

    poses: KnownPoses | None = None
    gps: bool = False
    distances: tuple[KnownDistance, ...] = ()
    depths: tuple[KnownDepth | KnownDepthMap, ...] = ()

    def __bool__(self) -> bool:
        return self.poses is not None or self.gps or bool(self.distances or self.depths)


def view_of(photo: str, names: Sequence[str]) -> int:
    """The view with this photo name: the whole name, or without suffix or case.

    Raises:
        InputError: there is none, or several.
    """
    wanted = name_key(photo)
    lower = [name_key(name) for name in names]
    stems = [PurePosixPath(name).stem for name in lower]
    for candidates in (lower, stems):
        matching = [view for view, name in enumerate(candidates) if name == wanted]
        if len(matching) == 1:
            return matching[0]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    raise InputError(f"there is no photo {photo!r} in the scene; there are: {shown}")


def _refuse_length(metres: Number, what: str) -> None:
    try:
        length = float(metres)
    except OverflowError:
        length = math.inf
    if not MIN_METRES <= length <= MAX_METRES:
        raise InputError(
            f"{what} must be from {MIN_METRES:g} to {MAX_METRES:g} metres, got {length:g}"
        )
