"""What a report says of known cameras that a network was given, or could have been."""

from collections.abc import Mapping, Sequence
from typing import Any

from glance3d.models import Network
from glance3d.models.given_cameras import GivenFit

_NOTABLE_DISAGREEMENT = 0.2  # of the spread of the cameras


def describe_given_cameras(
    network: Network, lack: str | None, fits: Sequence[GivenFit | None]
) -> dict[str, Any]:
    """Whether known cameras went into the network, why, and how they fit what it predicts.

    ``lack`` is what they lack to be whole cameras of all photos; ``fits`` has one entry a pass that
    got them, None where no scale could be told.
    """
    reason = lack or "the pose and the intrinsics of every photo are known"
    if not network.takes_cameras:
        reason = f"{network.config.name} takes no cameras"
    return {
        "to_network": bool(fits),
        "reason": reason,
        "passes": [None if fit is None else _described(fit) for fit in fits],
    }


def _described(fit: GivenFit) -> dict[str, float]:
    return {
        "depth_divided_by": fit.predicted_from_given.scale,
        "disagreement": round(fit.disagreement, 4),
    }


def given_camera_warnings(network: Network, described: Mapping[str, Any] | None) -> list[str]:
    """That a network could have been given more, and that its depth does not fit the cameras."""
    if described is None or not network.takes_cameras:
        return []
    if not described["to_network"]:
        return [
            f"{network.config.name} takes known cameras, but both pose and intrinsics of every "
            f"photo or none, and {described['reason']}: it was shown none"
        ]
    passes = described["passes"]
    warnings = []
    if None in passes:
        warnings.append(
            "depth may not fit the known cameras: in "
            f"{passes.count(None)} of {len(passes)} passes of the network it keeps the network's "
            "own unit of length, because one view alone, or cameras at one place, tell no scale"
        )
    worst = max((fit["disagreement"] for fit in passes if fit is not None), default=0.0)
    if worst > _NOTABLE_DISAGREEMENT:
        warnings.append(
            f"the network was given the known cameras and predicts others, {worst:.0%} of their "
            "spread away: the scale of depth is a guess (are they cameras of these photos?)"
        )
    return warnings
