"""From windows in frames of their own to one world: the first window's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.similarity import identity_similarity
from glance3d.progress import ProgressBar
from glance3d.types import Predictions
from glance3d.windows.graph.pose_graph import SolvedGraph, solve_pose_graph
from glance3d.windows.graph.spanning import component_of_windows
from glance3d.windows.loops.candidates import loop_candidates
from glance3d.windows.loops.closing import close_loops
from glance3d.windows.loops.verification import VerifiedLoop, verify_loop
from glance3d.windows.measuring import measure_shared
from glance3d.windows.store import WindowStore
from glance3d.windows.window_graph import WindowAlignment, WindowGraph, pairs_of


@dataclass(frozen=True)
class LoopSearch:
    """What it takes to look for loops: how alike photos are, and a network to show both ends.

    ``likeness`` orders pairs of photos only (:func:`glance3d.retrieval.photo_likeness`).
    """

    likeness: Float[Tensor, "views views"]
    predict_views: Callable[[Sequence[int]], Predictions]
    progress: bool = False


def join_windows(
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    usable: Bool[Tensor, "views height width"],
    *,
    in_one_world: bool = False,
    loops: LoopSearch | None = None,
) -> WindowGraph:
    """``world_from_window`` of every window, from all that they share and from verified loops.

    ``in_one_world``: every window's cameras were given, so that none has to be moved.
    """
    layout = tuple(windows)
    alignments = measure_shared(layout, store, usable, in_one_world=in_one_world)
    if in_one_world:
        world = (identity_similarity(),) * len(layout)
        return WindowGraph(layout, world, alignments, component=(0,) * len(layout))
    solved = solve_pose_graph(len(layout), [alignment.edge for alignment in alignments])
    verdicts = []
    if loops is not None:
        verified = _verified(layout, store, usable, solved, loops)
        solved, verdicts, accepted = close_loops(solved, verified)
        alignments = (*alignments, *accepted)
    component = component_of_windows(len(layout), pairs_of(alignments))
    placed = _placed(alignments, solved)
    return WindowGraph(layout, solved.world_from_window, placed, tuple(verdicts), tuple(component))


def _verified(
    windows: tuple[tuple[int, ...], ...],
    store: WindowStore,
    usable: Bool[Tensor, "views height width"],
    solved: SolvedGraph,
    loops: LoopSearch,
) -> list[VerifiedLoop]:
    """Every candidate, looked at."""
    pairs = [(edge.first, edge.second) for edge in solved.edges]
    candidates = loop_candidates(windows, loops.likeness, pairs)
    look = partial(store.look, predict_views=loops.predict_views)
    bar = ProgressBar(candidates, desc="loops", unit="loop", disable=not loops.progress)
    return [verify_loop(one, look, windows, store, usable, solved.gap) for one in bar]


def _placed(
    alignments: Sequence[WindowAlignment], solved: SolvedGraph
) -> tuple[WindowAlignment, ...]:
    worlds = solved.world_from_window
    weights = solved.weights.tolist()
    return tuple(
        replace(alignment, world_from_window=worlds[alignment.second], believed=weight)
        for alignment, weight in zip(alignments, weights, strict=True)
    )
