"""What in a scene contradicts itself: surfaces that are there twice, parts mistaken for each other.

Two views that look at one place must see one surface there. If the surface of one lies before that
of the other by much the same share of its distance everywhere, it is doubled: the cameras or the
depth of one side are off. If it fits in part and floats in what the other clearly sees through
elsewhere, and both sides have other views that confirm them, two places that look alike were taken
for one (cf. Heinly et al., "Correcting for duplicate scene structure in sparse 3D reconstruction",
ECCV 2014). Matches that survived verification although cameras that many others hold rule them out
are a sign of such twins that did no harm (cf. Zach et al., "Disambiguating visual relations using
loop constraints", CVPR 2010).
"""

import numpy as np
from jaxtyping import Bool, Float

from glance3d.multiview.pure_rotation import is_pure_rotation
from glance3d.multiview.view_graph import ViewGraph, connected_components, epipolar_errors
from glance3d.reporting.depth_consistency import DepthConsistency, measure_depth_consistency
from glance3d.trust.measured_parts import placed_together
from glance3d.trust.rules import GOOD, UNSUPPORTED
from glance3d.types import Reconstruction, ViewTrust
from glance3d.types.report_sections import Contradiction

#: Pairs say nothing if a smaller share of a view's points falls into the other's picture.
MIN_OVERLAP = 0.2
#: So much of what two views share lies off the other's surface, and nearly all of that on one side,
#: before it as one of them sees it and behind it as the other does. Depth that is only noisy, or
#: bent, lies on both sides.
MIN_OFF_SURFACE = 0.35
MIN_ONE_SIDED = 0.8
#: Of what two views share, twins agree on at least so much and contradict each other on so much.
MIN_AGREEING = 0.2
MIN_THROUGH = 0.1
#: Groups of views are one if fewer of the pairs between them contradict each other.
ONE_GROUP = 0.25
#: Matches that two-view geometry accepts by chance are fewer (per pair, and of all such pairs).
MIN_MATCHES = 30
MIN_MATCHES_OF_ALL = 60
#: Pixels at a diagonal of 1000 by which half of a pair's matches must miss.
RULED_OUT = 12.0
_MAX_NAMED = 4


def find_contradictions(
    scene: Reconstruction,
    view_graph: ViewGraph | None = None,
    trust: tuple[ViewTrust, ...] | None = None,
) -> list[Contradiction]:
    """Everything found, strongest evidence only; of a scene without depth what matches say.

    With ``view_graph`` and ``trust`` (of the refined scene, ``scene.trust`` by default) matches
    count as well. What an unsupported view sees contradicts nobody, nor do two parts of a scene
    that nothing measured connects: where they are to each other is a guess anyway.
    """
    findings = []
    trust = scene.trust if trust is None else trust
    if scene.depth is not None and scene.points_world is not None and scene.num_views > 1:
        pairs = measure_depth_consistency(scene)
        counts = placed_together(scene, trust)
        if trust is not None:
            supported = np.array([view.verdict != UNSUPPORTED for view in trust])
            counts &= supported[:, None] & supported
        pairs = pairs.only(counts)
        findings += _double_surfaces(scene, pairs, trust) + _twins(scene, pairs)
    if view_graph is not None and trust is not None:
        findings += _ruled_out_matches(scene, view_graph, trust)
    return findings


def _double_surfaces(
    scene: Reconstruction, pairs: DepthConsistency, trust: tuple[ViewTrust, ...] | None
) -> list[Contradiction]:
    # One view sees the other's surfaces in front of its own, which sees them behind its own.
    overlapping = (pairs.overlap >= MIN_OVERLAP) & (pairs.overlap.T >= MIN_OVERLAP)
    off = np.maximum(pairs.before + pairs.behind, 1e-9)
    before = (off >= MIN_OFF_SURFACE) & (pairs.before >= MIN_ONE_SIDED * off)
    behind = (off >= MIN_OFF_SURFACE) & (pairs.behind >= MIN_ONE_SIDED * off)
    doubled = overlapping & ((before & behind.T) | (behind & before.T))
    findings = []
    for component in connected_components(_edges(doubled)):
        views = sorted(component)
        groups = _groups(views, doubled, pairs)
        inside = np.ix_(views, views)
        distance = np.median(pairs.distance[inside][doubled[inside]])
        reason = (
            f"{_between(scene, groups)} see the same surfaces {distance:.0%} of their distance "
            "apart: they are there twice"
        )
        if trust is not None and all(trust[view].verdict == GOOD for view in views):
            reason += "; their cameras are measured, so their depth is off"
        findings.append(_finding(scene, "double surface", groups, reason))
    return findings


def _twins(scene: Reconstruction, pairs: DepthConsistency) -> list[Contradiction]:
    conflicting = (
        (pairs.overlap >= MIN_OVERLAP)
        & (pairs.agreeing >= MIN_AGREEING)
        & (pairs.confirmed_through >= MIN_THROUGH)
    )
    conflicting &= conflicting.T  # each looks through what the other sees
    findings = []
    for component in connected_components(_edges(conflicting)):
        groups = _groups(sorted(component), conflicting, pairs)
        findings.append(
            _finding(
                scene,
                "possible twins",
                groups,
                f"{_between(scene, groups)} agree on a part of what they share, and see through "
                "the rest of each other's surfaces: two places that look alike may have been taken "
                "for one",
            )
        )
    return findings


def _ruled_out_matches(
    scene: Reconstruction, view_graph: ViewGraph, trust: tuple[ViewTrust, ...]
) -> list[Contradiction]:
    """Pairs that match well though their cameras, held by other photos, rule it out."""
    limit = RULED_OUT * scene.cameras.pixel_unit
    matches: dict[tuple[int, int], int] = {}
    for pair in view_graph.pairs:
        are_good = all(trust[view].verdict == GOOD for view in (pair.first, pair.second))
        if not are_good or len(pair) < MIN_MATCHES:
            continue
        error = float(np.median(epipolar_errors(pair, scene.cameras)))
        # Two cameras at one place have no epipolar lines that could rule anything out.
        if error > limit and not is_pure_rotation(pair, scene.cameras):
            matches[pair.first, pair.second] = len(pair)
    findings = []
    for component in connected_components(matches):
        edges = [edge for edge in matches if edge[0] in component]
        count = sum(matches[edge] for edge in edges)
        if count >= MIN_MATCHES_OF_ALL:
            groups = _two_sides(component, edges)
            findings.append(
                _finding(
                    scene,
                    "possible twins",
                    groups,
                    f"{_between(scene, groups)} match at {count} points that their cameras rule "
                    "out: parts that look alike, or something that moved; the cameras, which other "
                    "photos hold, did not follow these matches",
                )
            )
    return findings


def _finding(
    scene: Reconstruction, kind: str, groups: list[list[int]], reason: str
) -> Contradiction:
    views = sorted(view for group in groups for view in group)
    return Contradiction(
        reason,
        kind,
        tuple(scene.names[view] for view in views),
        tuple(tuple(scene.names[view] for view in group) for group in groups),
    )


def _between(scene: Reconstruction, groups: list[list[int]]) -> str:
    """The groups by the names of their first photos, the two largest of many."""
    first, *others = [_few_names([scene.names[view] for view in group]) for group in groups[:2]]
    listed = " and ".join([first, *others])
    return listed if len(groups) <= 2 else f"{len(groups)} groups of photos, as {listed},"


def _few_names(names: list[str]) -> str:
    if len(names) <= _MAX_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: _MAX_NAMED - 1])} and {len(names) - _MAX_NAMED + 1} more"


def _edges(matrix: Bool[np.ndarray, "views views"]) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in zip(*np.nonzero(np.triu(matrix)), strict=True)]


def _groups(
    views: list[int], contradict: Bool[np.ndarray, "views views"], pairs: DepthConsistency
) -> list[list[int]]:
    """Views in groups that hardly contradict themselves, the larger groups first.

    Average-linkage clustering: the two groups that agree most are merged first, until all that
    remain contradict each other.
    """
    inside = np.ix_(views, views)
    groups, sizes = [[view] for view in views], np.ones(len(views))
    # Sums over the pairs of views between two groups: contradictions, and agreement.
    against = contradict[inside].astype(float)
    agreement = (pairs.agreeing * pairs.overlap)[inside]
    agreement = agreement + agreement.T
    while len(groups) > 1:
        num_pairs = np.outer(sizes, sizes)
        # Mean agreement of two groups that may be merged; -1 of groups that contradict each other.
        affinity = np.where(against / num_pairs < ONE_GROUP, agreement / num_pairs, -1.0)
        np.fill_diagonal(affinity, -1.0)
        i, j = sorted(divmod(int(affinity.argmax()), len(groups)))
        if affinity[i, j] < 0:
            break
        groups[i] += groups.pop(j)
        sizes[i] += sizes[j]
        sizes = np.delete(sizes, j)
        against, agreement = _merged(against, i, j), _merged(agreement, i, j)
    return [sorted(group) for group in sorted(groups, key=lambda g: (-len(g), min(g)))]


def _merged(
    sums: Float[np.ndarray, "groups groups"], i: int, j: int
) -> Float[np.ndarray, "rest rest"]:
    """A symmetric matrix of sums between groups, after group j was merged into group i."""
    sums = sums.copy()
    sums[i] += sums[j]
    sums[:, i] += sums[:, j]
    return np.delete(np.delete(sums, j, 0), j, 1)


def _two_sides(component: set[int], edges: list[tuple[int, int]]) -> list[list[int]]:
    """Views coloured so that ruled-out matches run between the groups, as far as that goes."""
    side = {min(component): 0}
    while len(side) < len(component):
        for a, b in edges:
            if a in side and b not in side:
                side[b] = 1 - side[a]
            elif b in side and a not in side:
                side[a] = 1 - side[b]
    return [sorted(view for view in component if side[view] == which) for which in (0, 1)]
