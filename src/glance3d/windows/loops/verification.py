"""A candidate looked at: what a pass over both ends must hold to be believed.

The network sees some views of both ends at once, once in each order. It is believed if what it says
of either end is what that end's window says, if both orders tell the same similarity, if it is as
confident as the windows were, and if all that the two windows see then fits together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Bool
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.rotations import rotation_angle
from glance3d.geometry.similarity import Similarity
from glance3d.types import Predictions
from glance3d.windows.alignment import SharedViews, ViewAlignment, align_views
from glance3d.windows.graph.edges import WindowEdge
from glance3d.windows.loops.candidates import LoopCandidate
from glance3d.windows.loops.surroundings import doubt_of_surroundings
from glance3d.windows.measuring import seen_by, shared_views
from glance3d.windows.store import WindowStore
from glance3d.windows.window_graph import LoopVerdict, WindowAlignment

_END_ROTATION_DEG = 5.0
_END_DISTANCE = 0.08  # of the depth
_END_DEPTH = 0.12
_CYCLE_ROTATION_DEG = 5.0
_CYCLE_DISTANCE = 0.12  # of the depth
_CYCLE_SCALE = 0.12
_LEAST_CONFIDENCE = 0.6  # of what the windows had
#: 99.9 % of the gaps of true loops are smaller, if the edges' noise is as stated.
LARGEST_GAP = 24.3
_HOPELESS = 10  # times that: no other loop will make it likely


@dataclass(frozen=True)
class VerifiedLoop:
    """The verdict so far, and where nothing speaks against it the edge."""

    verdict: LoopVerdict
    alignment: WindowAlignment | None = None


def beyond_drift(gap: float) -> str:
    """In words, of a gap that is larger than likely."""
    return (
        "the windows between would have to be bent far more than they drift "
        f"({gap / LARGEST_GAP:.1f} times what is likely)"
    )


@dataclass(frozen=True)
class _Ends:
    """One pass over both ends, aligned to both windows."""

    alignments: tuple[ViewAlignment, ViewAlignment]  # window_from_pass of the first, the second
    confidence: float  # of the pass, over that of the windows

    @property
    def first_from_second(self) -> Similarity:
        first, second = (one.first_from_second for one in self.alignments)
        return first.compose(second.inverse())


def verify_loop(
    candidate: LoopCandidate,
    predict_views: Callable[[Sequence[int]], Predictions],
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    usable: Bool[Tensor, "views height width"],
    gap: Callable[[WindowEdge], float | None],
) -> VerifiedLoop:
    """Two passes at most; the second is left out where the first is refuted.

    ``gap`` is :meth:`SolvedGraph.gap` of the graph without loops.
    """
    verdict = LoopVerdict(
        candidate.first,
        candidate.second,
        (candidate.first_views[0], candidate.second_views[0]),
        candidate.likeness,
    )

    def refused(reasons: Sequence[str]) -> VerifiedLoop:
        return VerifiedLoop(replace(verdict, reasons=tuple(reasons)))

    passes: list[_Ends] = []
    alignment: WindowAlignment | None = None
    for backward in (False, True):
        try:
            ends = _look(candidate, predict_views, windows, store, usable, backward=backward)
        except InputError:
            return refused(["the views of its ends have no depth that counts"])
        if reasons := _doubts_of_ends(ends):
            return refused(reasons)
        passes.append(ends)
        if not backward:
            alignment = _edge(candidate, ends, windows)
            bent = gap(alignment.edge)
            if bent is not None and bent > _HOPELESS * LARGEST_GAP:
                return refused([beyond_drift(bent)])
    if reasons := _doubts_of_cycle(*passes):
        return refused(reasons)
    assert alignment is not None
    ends_views = candidate.first_views, candidate.second_views
    doubt = doubt_of_surroundings(alignment.edge, ends_views, windows, store, usable)
    return refused([doubt]) if doubt else VerifiedLoop(verdict, alignment)


def _look(
    candidate: LoopCandidate,
    predict_views: Callable[[Sequence[int]], Predictions],
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    usable: Bool[Tensor, "views height width"],
    *,
    backward: bool,
) -> _Ends:
    ends = candidate.first_views, candidate.second_views
    order = (*ends[1], *ends[0]) if backward else (*ends[0], *ends[1])
    predictions = predict_views(order)
    alignments, ratios = [], []
    for index, views in zip((candidate.first, candidate.second), ends, strict=True):
        said = _on_cpu(shared_views(predictions, [order.index(view) for view in views]))
        known = seen_by(windows, store, index, views)
        alignments.append(align_views(views, known, said, usable[list(views)]))
        counts = usable[list(views)]
        ratios.append((said.confidence[counts] / known.confidence[counts]).log().double())
    confidence = math.exp(min(float(ratio.median()) for ratio in ratios))
    return _Ends((alignments[0], alignments[1]), confidence)


def _on_cpu(views: SharedViews) -> SharedViews:
    return SharedViews(*(value.float().cpu() for value in vars(views).values()))


def _doubts_of_ends(ends: _Ends) -> list[str]:
    """Where a pass contradicts the windows whose views it saw."""
    doubts = []
    for name, fit in zip(("first", "second"), ends.alignments, strict=True):
        worst = [
            (fit.rotation_deg, _END_ROTATION_DEG, f"{fit.rotation_deg:.0f} degrees"),
            (fit.distance, _END_DISTANCE, f"{fit.distance:.0%} of the depth in position"),
            (fit.depth_spread, _END_DEPTH, f"{fit.depth_spread:.0%} in depth"),
        ]
        if beyond := [text for value, most, text in worst if value > most]:
            doubts.append(
                f"a pass over both ends differs from the {name} window by {', '.join(beyond)}"
            )
    if ends.confidence < _LEAST_CONFIDENCE:
        doubts.append(
            f"a pass over both ends is only {ends.confidence:.0%} as confident as the windows"
        )
    return doubts


def _doubts_of_cycle(forward: _Ends, backward: _Ends) -> list[str]:
    """Where both orders do not tell the same: forward after the inverse of backward is no identity.

    Positions are compared where the views of the second end stand.
    """
    one, two = forward.first_from_second, backward.first_from_second
    angle = math.degrees(float(rotation_angle(one.rotation, two.rotation)))
    place = forward.alignments[1].first_from_second.transform_points(forward.alignments[1].anchor)
    apart = float((one.transform_points(place) - two.transform_points(place)).norm())
    distance = apart / forward.alignments[0].unit
    scale = math.expm1(abs(math.log(one.scale / two.scale)))
    beyond = []
    if angle > _CYCLE_ROTATION_DEG:
        beyond.append(f"{angle:.0f} degrees")
    if distance > _CYCLE_DISTANCE:
        beyond.append(f"{distance:.0%} of the depth")
    if scale > _CYCLE_SCALE:
        beyond.append(f"{scale:.0%} in scale")
    return [f"forward and backward passes differ by {', '.join(beyond)}"] if beyond else []


def _edge(
    candidate: LoopCandidate, ends: _Ends, windows: Sequence[tuple[int, ...]]
) -> WindowAlignment:
    """Both alignments as one measurement between the windows."""
    to_first, to_second = ends.alignments
    anchor = to_second.first_from_second.transform_points(to_second.anchor)
    return WindowAlignment(
        first_from_second=ends.first_from_second,
        anchor=anchor,
        unit=to_first.unit,
        noise=to_first.noise + to_second.noise,
        num_agreeing=to_first.num_agreeing + to_second.num_agreeing,
        rotation_deg=max(to_first.rotation_deg, to_second.rotation_deg),
        distance=max(to_first.distance, to_second.distance),
        depth_spread=max(to_first.depth_spread, to_second.depth_spread),
        scale_spread=None,
        first=candidate.first,
        second=candidate.second,
        views=windows[candidate.second],
        shared=(*candidate.first_views, *candidate.second_views),
        loop=True,
    )
