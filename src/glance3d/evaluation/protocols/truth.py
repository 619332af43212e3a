"""The nouns of a protocol's data: scenes as a folder lists them, and the truth of chosen frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from glance3d.types import Cameras


@dataclass(frozen=True)
class ScanOfScene:
    """A scan of the scene itself, and where it counts.

    ``observed`` says of points of the world whether predictions are judged there, and ``counted``
    whether points of the scan must be found; None: everywhere.
    """

    points: Float[Tensor, "points 3"]
    observed: Callable[[Float[Tensor, "n 3"]], Tensor] | None = None
    counted: Callable[[Float[Tensor, "n 3"]], Tensor] | None = None


@dataclass(frozen=True)
class TrueScene:
    """Chosen frames of one scene, with all that its data set knows of them.

    Cameras are float64, of the original photos' pixels; poses and intrinsics are NaN where they
    are unknown. ``load_depth`` gives the z-depth of a frame on the photo's grid in the unit of the
    cameras, 0 where unknown, or None; ``load_scan`` reads a scan. Both read when they are called.
    """

    name: str
    image_paths: tuple[Path, ...]
    cameras: Cameras
    load_depth: Callable[[int], Float[Tensor, "height width"] | None] | None = None
    load_scan: Callable[[], ScanOfScene] | None = None


@dataclass(frozen=True)
class ListedScene:
    """A scene before anything of it is read but its list of frames.

    ``frames`` are the names by which a list of frames may call them, in the data set's order.
    ``category`` is what scenes of one kind have in common, "" without kinds. ``read`` takes
    places in ``frames``.
    """

    name: str
    frames: tuple[str, ...]
    read: Callable[[Sequence[int]], TrueScene]
    category: str = ""
