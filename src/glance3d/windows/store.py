"""Where the windows' predictions lie between the passes and the scene that is made of them."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from glance3d.models.given_cameras import GivenFit
from glance3d.types import Predictions


@runtime_checkable
class WindowStore(Protocol):
    """Predictions of windows by their place in the layout, each in its own frame, on the CPU.

    Fusion asks for a window once for each of its views and takes that view alone: what
    :meth:`get` gives may be mapped from a file rather than read. ``given_fits`` say how given
    cameras fitted what was predicted, by window; :meth:`put` keeps them with it.
    """

    given_fits: dict[int, tuple[GivenFit | None, ...]]

    def __contains__(self, index: int) -> bool:
        """Whether this window was put here, in this run or an earlier one."""
        ...

    def put(self, index: int, predictions: Predictions) -> None:
        """Keep what the network said of a window."""
        ...

    def get(self, index: int) -> Predictions:
        """What was put there. Raises ``KeyError`` if nothing was."""
        ...

    def look(
        self, views: Sequence[int], predict_views: Callable[[Sequence[int]], Predictions]
    ) -> Predictions:
        """What a pass over views that are no window says, unless an earlier run kept it."""
        ...


class MemoryStore:
    """A :class:`WindowStore` in this process's memory."""

    def __init__(self) -> None:
        self._windows: dict[int, Predictions] = {}
        self.given_fits: dict[int, tuple[GivenFit | None, ...]] = {}

    def __contains__(self, index: int) -> bool:
        """Whether this window was put here."""
        return index in self._windows

    def put(self, index: int, predictions: Predictions) -> None:
        """Keep what the network said of a window."""
        self._windows[index] = predictions

    def get(self, index: int) -> Predictions:
        """What was put there. Raises ``KeyError`` if nothing was."""
        return self._windows[index]

    def look(
        self, views: Sequence[int], predict_views: Callable[[Sequence[int]], Predictions]
    ) -> Predictions:
        """What a pass over views that are no window says: nothing is kept of it."""
        return predict_views(views)
