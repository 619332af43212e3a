"""What a report says of windows: an approximation is never silent."""

from collections.abc import Sequence
from typing import Any

from glance3d.pass_options import WindowOptions
from glance3d.windows.alignment import WindowAlignment

# Beyond these the parts of a scene visibly do not fit where two windows meet.
POOR_ROTATION_DEG = 5.0
POOR_DISTANCE = 0.1  # of the shared views' median depth
POOR_SPREAD = 0.1  # of the depth itself, and of the unit of length


def describe_windows(
    options: WindowOptions | None, alignments: Sequence[WindowAlignment], names: Sequence[str]
) -> dict[str, Any] | None:
    """For the report, JSON-ready; None where no windows were asked for."""
    if options is None:
        return None
    return {
        "views": options.views,
        "overlap": options.shared,
        "num_windows": len(alignments) + 1,
        "approximate": bool(alignments),
        "joins": [_described(alignment, names) for alignment in alignments],
    }


def _described(alignment: WindowAlignment, names: Sequence[str]) -> dict[str, Any]:
    return {
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
    }


def window_warnings(
    options: WindowOptions | None, alignments: Sequence[WindowAlignment], names: Sequence[str]
) -> list[str]:
    """That the scene is approximate, by how much, and where its parts do not fit."""
    if options is None or not alignments:
        return []
    warnings = [
        f"approximate: {len(names)} photos were seen in {len(alignments) + 1} windows of "
        f"{options.views}, not in one pass; where windows meet, cameras agree within "
        f"{max(alignment.rotation_deg for alignment in alignments):.1f} degrees and depth within "
        f"{max(alignment.depth_spread for alignment in alignments):.0%}"
    ]
    for alignment in alignments:
        if reasons := _reasons(alignment):
            first, last = names[min(alignment.views)], names[max(alignment.views)]
            warnings.append(
                f"the window of {first} to {last} fits poorly: it and its neighbours differ "
                f"about the {len(alignment.shared)} photos that they share by "
                f"{', '.join(reasons)}; larger windows or a larger overlap may help"
            )
    return warnings


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
