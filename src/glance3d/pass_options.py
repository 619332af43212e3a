"""What is asked of one pass of a network. Importing this loads nothing heavy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, get_args

from glance3d.errors import InputError

Output = Literal["camera", "depth", "points", "tracks", "rays"]
OUTPUTS: tuple[Output, ...] = get_args(Output)
Attention = Literal["full", "thin", "near"]
ATTENTIONS: tuple[Attention, ...] = get_args(Attention)
#: Of a network that predicts rays, and so could tell cameras from them.
CAMERA_SOURCES = ("decoder", "rays")

LEAST_OVERLAP = 2
OVERLAP_SHARE = 4  # one in so many views of a window is shared with the next


@dataclass(frozen=True)
class WindowOptions:
    """At most ``views`` at once, of which neighbouring windows share ``overlap`` or more.

    By default they share a quarter, at least two.
    """

    views: int
    overlap: int | None = None

    def __post_init__(self) -> None:
        """Refuse windows that cannot be joined."""
        for name, value in (("window", self.views), ("overlap", self.overlap)):
            if value is not None and not isinstance(value, Integral):
                raise InputError(f"{name} must be a whole number of views, got {value!r}")
        if self.views < 2:
            raise InputError(
                f"a window must hold at least 2 views, one of them shared with the next, got "
                f"{self.views}: give a larger one, or none"
            )
        if self.overlap is not None and not 1 <= self.overlap < self.views:
            raise InputError(
                f"windows of {self.views} views can share 1 to {self.views - 1} with the next, "
                f"got an overlap of {self.overlap}"
            )

    @property
    def shared(self) -> int:
        """How many views neighbouring windows share at least."""
        if self.overlap is not None:
            return self.overlap
        return min(max(LEAST_OVERLAP, self.views // OVERLAP_SHARE), self.views - 1)

    def divides(self, num_views: int) -> bool:
        """Whether so many views are more than one window."""
        return num_views > self.views


@dataclass(frozen=True)
class PassOptions:
    """What a network predicts (:func:`glance3d.predict`), and how it is shown the views.

    ``outputs`` are of camera, depth, points, tracks and rays. ``queries`` are ``[N, 2]`` pixels (x,
    y) of the original, upright reference photo, to follow through all views, and ask for tracks;
    the top-left pixel's centre is (0.5, 0.5). ``attention`` is "full", or, approximate and faster
    for many views, "thin" or "near" (:mod:`glance3d.models.sparse_keys`). ``window`` is how many
    views the network is shown at once, of which neighbouring windows share at least ``overlap``, by
    default a quarter (approximate, see :mod:`glance3d.windows`); None shows it all of them.
    ``reference`` is the view that the network sees first and whose frame the world is: "first",
    "auto" (the one that has most in common with the others), or a photo's name or number.
    ``cameras_from`` is "decoder", or "rays" for a network that predicts rays: slower, and another
    estimate.

    Raises:
        InputError: an option is unknown, or cannot be combined with another.
    """

    outputs: Sequence[str] = ("camera", "depth")  # becomes a tuple
    queries: Any = None  # becomes a tuple of (x, y)
    attention: str = "full"
    window: int | None = None
    overlap: int | None = None
    reference: str | int = "first"
    cameras_from: str = "decoder"

    def __post_init__(self) -> None:
        """Refuse what no network can be asked for; what this one cannot, it refuses itself."""
        if isinstance(self.outputs, str) or not isinstance(self.outputs, Iterable):
            raise InputError(
                f"outputs must be a list of names such as ('camera',), got {self.outputs!r}"
            )
        names, queries = tuple(self.outputs), _pixels(self.queries)
        _refuse_unknown("output", names, OUTPUTS)
        _refuse_unknown("attention", (self.attention,), ATTENTIONS)
        _refuse_unknown("cameras_from", (self.cameras_from,), CAMERA_SOURCES)
        outputs = dict.fromkeys(names)
        if not outputs:
            raise InputError(f"got no outputs: choose from {', '.join(OUTPUTS)}")
        if queries is not None:
            outputs["tracks"] = None
        object.__setattr__(self, "outputs", tuple(outputs))
        object.__setattr__(self, "queries", queries)
        _ = self.windows  # refuses what cannot be joined
        if "tracks" in outputs and queries is None:
            raise InputError("tracks need query points: pixels (x, y) of the reference photo")

    @property
    def computed(self) -> tuple[str, ...]:
        """What a pass makes and needs memory for: the outputs, and rays that tell cameras."""
        from_rays = ("rays",) if self.cameras_from == "rays" else ()
        return tuple(dict.fromkeys((*self.outputs, *from_rays)))

    @property
    def windows(self) -> WindowOptions | None:
        """None where one pass is to see all views."""
        if self.window is None:
            if self.overlap is not None:
                raise InputError("overlap is an option of windows: give window as well")
            return None
        if "rays" in self.outputs:
            raise InputError("rays are predicted in one pass over all views: leave out window")
        if "tracks" in self.outputs:
            raise InputError(
                "query points are followed only where one pass sees all views: leave out window, "
                "or follow them in the finished scene (glance3d.track, glance3d track)"
            )
        return WindowOptions(self.window, self.overlap)


def _refuse_unknown(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"unknown {what} {name!r}: choose from {', '.join(known)}")


def _pixels(points: Any) -> tuple[tuple[float, float], ...] | None:
    """Pixels (x, y) of a list, an array or a tensor."""
    if points is None:
        return None
    rows = points.tolist() if hasattr(points, "tolist") else points
    try:
        pixels = tuple((float(x), float(y)) for x, y in rows)
    except (TypeError, ValueError):
        pixels = ()
    if not pixels:
        raise InputError(f"query points must be [N, 2] pixels (x, y), got {str(rows)[:60]}")
    return pixels
