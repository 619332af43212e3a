"""What is known of windows once they are joined: for the scene, and for its report."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from glance3d.geometry.similarity import Similarity, identity_similarity
from glance3d.windows.alignment import ViewAlignment
from glance3d.windows.graph.edges import WindowEdge


@dataclass(frozen=True, kw_only=True)
class WindowAlignment(ViewAlignment):
    """How the ``second`` window was joined to the ``first``, and how well both agree.

    ``views`` are the second's, ``shared`` those that both hold, or, where a pass over both ends
    closed a ``loop``, the views of that pass. ``world_from_window`` is the second's place in the
    scene once all edges were weighed, ``believed`` (0 to 1) how far this one was.
    """

    first: int
    second: int
    views: tuple[int, ...]
    shared: tuple[int, ...]
    loop: bool = False
    world_from_window: Similarity = field(default_factory=identity_similarity)
    believed: float = 1.0

    @classmethod
    def of(cls, fit: ViewAlignment, **where) -> "WindowAlignment":
        """A measurement, and between which windows."""
        return cls(**{one.name: getattr(fit, one.name) for one in fields(fit)}, **where)

    @property
    def edge(self) -> WindowEdge:
        """What a pose graph takes of it."""
        return WindowEdge(
            self.first,
            self.second,
            self.first_from_second,
            self.anchor,
            self.unit,
            self.noise,
            self.loop,
        )


@dataclass(frozen=True)
class LoopVerdict:
    """Whether two windows far apart, of which photos are alike, see one place; and why not.

    ``views`` are the most alike photo of each; ``reasons`` are empty where the loop was accepted.
    """

    first: int
    second: int
    views: tuple[int, int]
    likeness: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class WindowGraph:
    """All windows of a scene in one world, or one a component.

    ``alignments`` are the edges that tie them, ``loops`` what was looked at between windows far
    apart, ``component`` the number of the component that holds each window: windows of different
    ones share nothing, and each component's world is its first window's.
    """

    windows: tuple[tuple[int, ...], ...]
    world_from_window: tuple[Similarity, ...]
    alignments: tuple[WindowAlignment, ...] = ()
    loops: tuple[LoopVerdict, ...] = ()
    component: tuple[int, ...] = (0,)

    def component_views(self) -> list[list[int]]:
        """The views of each component, in order."""
        views: list[set[int]] = [set() for _ in range(max(self.component) + 1)]
        for number, window in zip(self.component, self.windows, strict=True):
            views[number] |= set(window)
        return [sorted(some) for some in views]


def pairs_of(alignments: Sequence[WindowAlignment]) -> list[tuple[int, int]]:
    """Which windows they tie."""
    return [(alignment.first, alignment.second) for alignment in alignments]
