"""Verified loops on their way into the graph: only what its own uncertainty allows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from glance3d.windows.graph.pose_graph import SolvedGraph, solve_pose_graph
from glance3d.windows.loops.verification import LARGEST_GAP, VerifiedLoop, beyond_drift
from glance3d.windows.window_graph import LoopVerdict, WindowAlignment

#: An edge that the robust kernel believes less is taken out again.
_LEAST_BELIEVED = 0.25


def close_loops(
    graph: SolvedGraph, verified: Sequence[VerifiedLoop]
) -> tuple[SolvedGraph, list[LoopVerdict], list[WindowAlignment]]:
    """The graph with the loops that fit it, all verdicts, and the edges of those accepted.

    The loop that fits best is taken first; with it the graph is surer of what else may fit. Between
    components there is no gap to judge by: they are joined where two loops agree.
    """
    waiting = {place: loop.alignment for place, loop in enumerate(verified) if loop.alignment}
    taken: list[WindowAlignment] = []
    reasons: dict[int, str] = {}
    while waiting:
        gaps = {place: graph.gap(alignment.edge) for place, alignment in waiting.items()}
        within = {place: gap for place, gap in gaps.items() if gap is not None}
        across = {place: waiting[place] for place, gap in gaps.items() if gap is None}
        best = None
        if within and min(within.values()) <= LARGEST_GAP:
            best = min(within, key=within.__getitem__)
        elif across:
            best = _confirmed(graph, across)
        if best is None:
            reasons.update({place: beyond_drift(gap) for place, gap in within.items()})
            reasons.update(dict.fromkeys(across, "no second loop between these groups confirms it"))
            break
        alignment = waiting.pop(best)
        start = graph if best in within else None  # else a whole component moves
        closed = solve_pose_graph(len(graph.frames), (*graph.edges, alignment.edge), start)
        if float(closed.weights[-1]) < _LEAST_BELIEVED:
            reasons[best] = "the other edges contradict it"
            continue
        graph = closed
        taken.append(alignment)
    verdicts = [
        replace(loop.verdict, reasons=(*loop.verdict.reasons, reasons[place]))
        if place in reasons
        else loop.verdict
        for place, loop in enumerate(verified)
    ]
    return graph, verdicts, taken


def _confirmed(graph: SolvedGraph, across: Mapping[int, WindowAlignment]) -> int | None:
    """Of loops between components, the most alike one that another agrees with, if any does."""
    for place, alignment in across.items():  # in order of likeness
        joined = solve_pose_graph(len(graph.frames), (*graph.edges, alignment.edge))
        gaps = [joined.gap(other.edge) for key, other in across.items() if key != place]
        if any(gap is not None and gap <= LARGEST_GAP for gap in gaps):
            return place
    return None
