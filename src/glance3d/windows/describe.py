"""What a report says of windows: an approximation is never silent."""

from collections.abc import Sequence
from typing import Any

from glance3d.pass_options import WindowOptions
from glance3d.text import counted, named_groups
from glance3d.windows.window_graph import LoopVerdict, WindowAlignment, WindowGraph

# Beyond these the parts of a scene visibly do not fit where two windows meet.
POOR_ROTATION_DEG = 5.0
POOR_DISTANCE = 0.1  # of the shared views' median depth
POOR_SPREAD = 0.1  # of the depth itself, and of the unit of length


def describe_windows(
    options: WindowOptions | None, graph: WindowGraph | None, names: Sequence[str]
) -> dict[str, Any] | None:
    """For the report, JSON-ready; None where no windows were asked for."""
    if options is None:
        return None
    components = [] if graph is None else graph.component_views()
    return {
        "views": options.views,
        "overlap": options.shared,
        "num_windows": 1 if graph is None else len(graph.windows),
        "approximate": graph is not None,
        "joins": [] if graph is None else [_join(one, names) for one in graph.alignments],
        "loops": [] if graph is None else [_loop(one, names) for one in graph.loops],
        "components": [[names[view] for view in views] for views in components[1:] and components],
    }


def _join(alignment: WindowAlignment, names: Sequence[str]) -> dict[str, Any]:
    return {
        "windows": [alignment.first, alignment.second],
        "kind": "loop" if alignment.loop else "shared views",
        "from": names[min(alignment.views)],
        "to": names[max(alignment.views)],
        "shared": [names[view] for view in alignment.shared],
        "num_agreeing": alignment.num_agreeing,
        "scale": alignment.world_from_window.scale,
        "rotation_deg": round(alignment.rotation_deg, 3),
        "distance": round(alignment.distance, 4),
        "depth_spread": round(alignment.depth_spread, 4),
        "scale_spread": None
        if alignment.scale_spread is None
        else round(alignment.scale_spread, 4),
        "believed": round(alignment.believed, 3),
    }


def _loop(verdict: LoopVerdict, names: Sequence[str]) -> dict[str, Any]:
    return {
        "windows": [verdict.first, verdict.second],
        "photos": [names[view] for view in verdict.views],
        "likeness": round(verdict.likeness, 3),
        "accepted": not verdict.reasons,
        "reasons": list(verdict.reasons),
    }


def window_warnings(
    options: WindowOptions | None, graph: WindowGraph | None, names: Sequence[str]
) -> list[str]:
    """That the scene is approximate, by how much, and where its parts do not fit."""
    if options is None or graph is None:
        return []
    return [
        _approximate(options, graph, names),
        *_components(graph, names),
        *(text for one in graph.alignments for text in _poor(one, names)),
    ]


def _approximate(options: WindowOptions, graph: WindowGraph, names: Sequence[str]) -> str:
    text = (
        f"approximate: {len(names)} photos were seen in {len(graph.windows)} windows of "
        f"{options.views}, not in one pass"
    )
    if graph.alignments:
        text += (
            "; where windows meet, cameras agree within "
            f"{max(alignment.rotation_deg for alignment in graph.alignments):.1f} degrees and "
            f"depth within {max(alignment.depth_spread for alignment in graph.alignments):.0%}"
        )
    if graph.loops:
        closed = sum(not verdict.reasons for verdict in graph.loops)
        text += f"; {closed} of {len(graph.loops)} likely loops were closed"
    return text


def _components(graph: WindowGraph, names: Sequence[str]) -> list[str]:
    components = graph.component_views()
    if len(components) == 1:
        return []
    listed = named_groups([names[view] for view in views] for views in components)
    return [
        f"the photos fall into {len(components)} groups that share nothing ({listed}): how they "
        "lie to each other is not known, and each is in a world and at a scale of its own; give "
        "them one at a time, or photos that connect them"
    ]


def _poor(alignment: WindowAlignment, names: Sequence[str]) -> list[str]:
    reasons = _reasons(alignment)
    if not reasons:
        return []
    first, last = names[min(alignment.views)], names[max(alignment.views)]
    return [
        f"the window of {first} to {last} fits poorly: it and its neighbours differ about the "
        f"{counted(len(alignment.shared), 'photo')} that they share by {', '.join(reasons)}; "
        "larger windows or a larger overlap may help"
    ]


def _reasons(alignment: WindowAlignment) -> list[str]:
    reasons = []
    if alignment.rotation_deg > POOR_ROTATION_DEG:
        reasons.append(f"{alignment.rotation_deg:.0f} degrees")
    if alignment.distance > POOR_DISTANCE:
        reasons.append(f"{alignment.distance:.0%} of the depth in position")
    if alignment.depth_spread > POOR_SPREAD:
        reasons.append(f"{alignment.depth_spread:.0%} in depth")
    if (alignment.scale_spread or 0.0) > POOR_SPREAD:
        reasons.append(f"{alignment.scale_spread:.0%} in the distances between cameras")
    return reasons
