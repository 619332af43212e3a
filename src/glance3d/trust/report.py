"""The verdicts in words: for report.json, for the terminal and for a text file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from glance3d.text import counted, visible_text
from glance3d.trust.rules import GOOD, VERDICTS, judge
from glance3d.types import Reconstruction, ViewTrust
from glance3d.types.report_sections import Contradiction, TrustReport

# Beyond so many photos the good ones, which need no one's attention, are summarised in one line.
_MAX_LINES = 30
_MAX_NAME = 32
_DIGITS = 3
_HEADINGS = ("verdict", "photo", "by", "tracks", "median", "90 %", "depth", "reason")


def describe_trust(
    scene: Reconstruction, contradictions: Sequence[Contradiction] | None = None
) -> TrustReport:
    """The verdicts of a scene in words: what ``report.trust`` holds.

    The summary counts the verdicts that there are. A scene that was never judged is described as
    unsupported. ``contradictions`` are those of
    :func:`glance3d.trust.contradictions.find_contradictions`; by default those already in the
    report.
    """
    trust = _trust_of(scene)
    counts = Counter(view.verdict for view in trust)
    return TrustReport(
        summary={
            "num_views": len(trust),
            **{verdict: counts[verdict] for verdict in reversed(VERDICTS) if counts[verdict]},
            "text": _summary(trust),
        },
        views=tuple(
            {"name": name, **{key: _rounded(value) for key, value in asdict(view).items()}}
            for name, view in zip(scene.names, trust, strict=True)
        ),
        contradictions=_reported(scene) if contradictions is None else tuple(contradictions),
    )


def trust_text(scene: Reconstruction) -> list[str]:
    """A summary, one line a photo with the worst first, and what contradicts itself.

    Of many photos only those are listed one by one that are not good.
    """
    trust = _trust_of(scene)
    order = sorted(range(len(trust)), key=lambda view: VERDICTS.index(trust[view].verdict))
    good = [view for view in order if trust[view].verdict == GOOD]
    listed, summarised = order, []
    if len(trust) > _MAX_LINES and good:
        listed = [view for view in order if trust[view].verdict != GOOD]
        summarised = [_good_ones([trust[view] for view in good])]
    rows = [_row(scene.names[view], trust[view]) for view in listed]
    lines = [
        _summary(trust),
        *(_aligned([_HEADINGS, *rows]) if rows else ()),
        *summarised,
        *(f"warning: {finding.reason}" for finding in _reported(scene)),
    ]
    return [visible_text(line) for line in lines]


def _reported(scene: Reconstruction) -> tuple[Contradiction, ...]:
    return () if scene.report.trust is None else scene.report.trust.contradictions


def _trust_of(scene: Reconstruction) -> tuple[ViewTrust, ...]:
    return judge(scene) if scene.trust is None else scene.trust


def _summary(trust: tuple[ViewTrust, ...]) -> str:
    counts = Counter(view.verdict for view in trust)
    parts = ", ".join(f"{counts[v]} {v}" for v in reversed(VERDICTS) if counts[v])
    if len({(view.verdict, view.reason) for view in trust}) == 1 and trust[0].verdict != GOOD:
        parts += f" ({trust[0].reason})"
    return f"trust in {counted(len(trust), 'photo')}: {parts}"


def _row(name: str, view: ViewTrust) -> tuple[str, ...]:
    agreement = view.depth_agreement
    return (
        view.verdict,
        name if len(name) <= _MAX_NAME else f"...{name[3 - _MAX_NAME :]}",
        view.registered_by,
        str(view.num_tracks),
        _pixels(view.median_error_px),
        _pixels(view.p90_error_px),
        "-" if agreement is None else f"{agreement:.0%}",
        view.reason,
    )


def _pixels(error: float | None) -> str:
    return "-" if error is None else f"{error:.2f} px"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Columns of equal width, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = range(_HEADINGS.index("tracks"), _HEADINGS.index("reason"))
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _good_ones(views: list[ViewTrust]) -> str:
    tracks = sorted(view.num_tracks for view in views)
    errors = sorted(view.median_error_px for view in views if view.median_error_px is not None)
    depth = sorted(view.depth_agreement for view in views if view.depth_agreement is not None)
    line = f"good: {counted(len(views), 'photo')} with {tracks[0]} to {tracks[-1]} tracks"
    if errors:
        line += f", median errors {errors[0]:.2f} to {errors[-1]:.2f} px"
    if depth:
        line += f", depth agreeing with {depth[0]:.0%} to {depth[-1]:.0%} of them"
    return line


def _rounded(value: Any) -> Any:
    return round(value, _DIGITS) if isinstance(value, float) else value
