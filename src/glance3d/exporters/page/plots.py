"""Plots as inline SVG, each with a title and a description for those who cannot see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.exporters.page.markup import Markup, element

_WIDTH, _HEIGHT = 560, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 16, 26, 40
_NUM_BINS = 40

Number = float | int


@dataclass(frozen=True)
class Axes:
    """Where numbers lie in the picture: both axes start at ``low_x`` and at 0."""

    low_x: float
    high_x: float
    high_y: float

    def x(self, value: Number) -> float:
        """Pixels from the left."""
        share = (value - self.low_x) / max(self.high_x - self.low_x, 1e-12)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: Number) -> float:
        """Pixels from above."""
        return _HEIGHT - _BOTTOM - value / max(self.high_y, 1e-12) * (_HEIGHT - _TOP - _BOTTOM)


def histogram(
    values: Float[Tensor, " n"],
    *,
    title: str,
    description: str,
    label: str,
    marks: Sequence[tuple[float, str]] = (),
) -> Markup:
    """Histogram of values up to the 99th percentile; ``marks`` are named values.

    The axis begins at 0, unless all but a hundredth of the values lie far from it. What is beyond
    its ends counts as at its ends.
    """
    ordered = values.sort().values
    low, high = (float(ordered[int(share * (len(ordered) - 1))]) for share in (0.01, 0.99))
    if low < high / 3:
        low = 0.0
    if high <= low:
        high = low + 1.0
    counts = torch.histc(ordered.clamp(low, high), _NUM_BINS, min=low, max=high)
    shares = (100 * counts / len(ordered)).tolist()
    axes = Axes(low, high, max(shares))
    width = (high - low) / _NUM_BINS
    edges = [low + k * width for k in range(_NUM_BINS)]
    bars = [
        _bar(axes, edge, edge + width, share) for edge, share in zip(edges, shares, strict=True)
    ]
    places = [low + k * (high - low) / 4 for k in range(5)]
    ticks = [(place, in_digits(place, high - low)) for place in places]
    return _figure(
        title,
        description,
        [*_grid(axes, "%"), *bars, *_marks(axes, marks), *_ticks(axes, ticks, label)],
    )


def bars_of_views(
    shares: Sequence[float], names: Sequence[str], *, title: str, description: str, label: str
) -> Markup:
    """One bar a photo, in percent of 0 to 100, each named when it is pointed at."""
    axes = Axes(0.0, float(len(shares)), 100.0)
    bars = [
        _bar(axes, view, view + 1, share, f"{name}: {share:.0f} %")
        for view, (share, name) in enumerate(zip(shares, names, strict=True))
    ]
    step = max(1, -(-len(shares) // 8))
    ticks = [(view + 0.5, str(view + 1)) for view in range(0, len(shares), step)]
    return _figure(title, description, [*_grid(axes, "%"), *bars, *_ticks(axes, ticks, label)])


def in_digits(value: float, span: float) -> str:
    """A number with as many digits as tell values apart that lie within ``span``."""
    decimals = 2 - floor(log10(span)) if span > 0 else 3
    return f"{value:,.{min(max(decimals, 0), 9)}f}"


def _bar(axes: Axes, start: Number, end: Number, value: Number, name: str | None = None) -> Markup:
    gap = min(1.5, 0.15 * (axes.x(end) - axes.x(start)))
    return element(
        "rect",
        element("title", name) if name else None,
        class_="bar",
        x=axes.x(start) + gap / 2,
        y=axes.y(value),
        width=max(axes.x(end) - axes.x(start) - gap, 0.2),
        height=max(axes.y(0) - axes.y(value), 0.0),
    )


def _grid(axes: Axes, unit: str) -> list[Markup]:
    """Lines across at quarters of the height, with their values."""
    lines = []
    for share in (0.0, 0.5, 1.0):
        y = axes.y(share * axes.high_y)
        lines.append(element("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y))
        value = f"{share * axes.high_y:.2g} {unit}" if share * axes.high_y < 100 else f"100 {unit}"
        lines.append(element("text", value, x=_LEFT - 6, y=y + 4, text_anchor="end"))
    return lines


def _marks(axes: Axes, marks: Sequence[tuple[float, str]]) -> list[Markup]:
    elements = []
    for row, (value, name) in enumerate(marks):
        if not axes.low_x <= value <= axes.high_x:
            continue
        x = axes.x(value)
        right = x > _WIDTH * 0.7
        elements.append(element("line", class_="mark", x1=x, x2=x, y1=_TOP - 6, y2=axes.y(0)))
        elements.append(
            element(
                "text",
                name,
                class_="mark-name",
                x=x - 5 if right else x + 5,
                y=_TOP + 4 + 15 * row,
                text_anchor="end" if right else "start",
            )
        )
    return elements


def _ticks(axes: Axes, ticks: Sequence[tuple[float, str]], label: str) -> list[Markup]:
    y = axes.y(0) + 16
    named = [element("text", name, x=axes.x(at), y=y, text_anchor="middle") for at, name in ticks]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return [*named, element("text", label, x=middle, y=y + 19, text_anchor="middle")]


def _figure(title: str, description: str, content: Sequence[Markup]) -> Markup:
    key = "-".join(title.lower().split())
    return element(
        "figure",
        element("figcaption", title),
        element(
            "svg",
            element("title", title, id=f"{key}-title"),
            element("desc", description, id=f"{key}-text"),
            *content,
            viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
            role="img",
            aria_labelledby=f"{key}-title {key}-text",
        ),
        element("p", description),
        class_="plot",
    )
