"""Verified loops on their way into the graph: only what its own uncertainty allows."""

from collections.abc import Sequence
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

    The loop that fits best is taken first; with it the graph is surer of what else may fit.
    """
    waiting = [loop for loop in verified if loop.alignment is not None]
    taken: list[VerifiedLoop] = []
    reasons: dict[int, str] = {}
    while waiting:
        gaps = [graph.gap(loop.alignment.edge) for loop in waiting if loop.alignment is not None]
        best = min(range(len(gaps)), key=gaps.__getitem__)
        if gaps[best] > LARGEST_GAP:
            reasons.update(
                {id(one): beyond_drift(gap) for one, gap in zip(waiting, gaps, strict=True)}
            )
            break
        loop = waiting.pop(best)
        assert loop.alignment is not None
        edges = (*graph.edges, loop.alignment.edge)
        closed = solve_pose_graph(len(graph.frames), edges, graph)
        if float(closed.weights[len(graph.edges) :].min()) < _LEAST_BELIEVED:
            reasons[id(loop)] = "the other edges contradict it"
            continue
        graph = closed
        taken.append(loop)
    verdicts = [
        replace(loop.verdict, reasons=(*loop.verdict.reasons, reasons[id(loop)]))
        if id(loop) in reasons
        else loop.verdict
        for loop in verified
    ]
    return graph, verdicts, [loop.alignment for loop in taken if loop.alignment is not None]
