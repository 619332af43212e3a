"""The `fit` layout: whole photos, at their aspect ratios, within a budget of pixels.

All photos get about the same number of pixels, whatever their resolution (a common scale once
each is normalised to unit area), and one canvas must hold them all: the widest and the tallest
decide it. Sides are whole patches, so a photo is squeezed by up to half a patch along one axis;
the placement records the two scales, and the network's two fields of view absorb it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Size = tuple[int, int]

# One percent of squeeze costs as much as four percent of the pixels left unused.
_COST_OF_UNUSED = 0.25


@dataclass(frozen=True)
class _Layout:
    patches: tuple[Size, ...]  # (columns, rows) of each photo

    @property
    def canvas(self) -> Size:
        return max(c for c, _ in self.patches), max(r for _, r in self.patches)

    @property
    def area(self) -> int:
        columns, rows = self.canvas
        return columns * rows


def fit_sizes(
    sizes: Sequence[Size], patch_size: int, max_pixels: int, max_side: int | None = None
) -> list[Size]:
    """The (width, height) at which each photo is shown, all multiples of ``patch_size``.

    The canvas that holds all of them has at most ``max_pixels`` pixels and, if given, no side
    above ``max_side``. Among such layouts the one that squeezes least while using most of the
    budget is taken. Small photos are enlarged to the budget, so that the network always works
    at the scale it was made for. The shorter side of a panorama is at least one patch.
    """
    shapes = sorted({width / height for width, height in sizes})
    budget = max_pixels // patch_size**2
    longest = budget if max_side is None else max_side // patch_size
    layouts = [
        layout
        for layout in _layouts(shapes, budget)
        if layout.area <= budget and max(layout.canvas) <= longest
    ]
    largest = max(layout.area for layout in layouts)
    best = min(layouts, key=lambda layout: _cost(layout, shapes, largest))
    shown = dict(zip(shapes, best.patches, strict=True))
    return [
        (columns * patch_size, rows * patch_size)
        for columns, rows in (shown[width / height] for width, height in sizes)
    ]


def _layouts(shapes: Sequence[float], budget: int) -> list[_Layout]:
    """A layout for every canvas width and height in patches that might fit the budget."""
    widths = [math.sqrt(shape) for shape in shapes]
    heights = [1 / width for width in widths]
    # The continuous optimum; rounding to patches moves it by less than a patch a side.
    scale = math.sqrt(budget / (max(widths) * max(heights)))
    layouts = []
    for extent in (max(widths), max(heights)):
        for patches in range(1, min(budget, math.ceil(extent * scale) + 1) + 1):
            factor = patches / extent
            layouts.append(
                _Layout(
                    tuple(
                        (_at_least_one(width * factor), _at_least_one(height * factor))
                        for width, height in zip(widths, heights, strict=True)
                    )
                )
            )
    return layouts


def _at_least_one(length: float) -> int:
    return max(1, math.floor(length + 0.5))


def _cost(layout: _Layout, shapes: Sequence[float], largest: int) -> float:
    squeeze = max(
        abs(math.log(columns / rows / shape))
        for (columns, rows), shape in zip(layout.patches, shapes, strict=True)
    )
    return squeeze + _COST_OF_UNUSED * (1 - layout.area / largest)
