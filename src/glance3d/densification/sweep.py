"""Plane sweep: how well the photos agree if every pixel lay on each of a stack of planes."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample

from glance3d.densification.adaptive_windows import AdaptiveWindows
from glance3d.densification.correlation import Windows
from glance3d.densification.views import SweepView, warp_between
from glance3d.multiview.plane_sweep import PlaneWarp

#: Pixels that are compared at a time: what a core's cache holds.
_AT_ONCE = 100_000
#: A place between pixels counts if so much of what is around it does.
_MOSTLY_KEPT = 0.99


def warp(
    other: SweepView, plane_warp: PlaneWarp, inverse_depth: Float[Tensor, "planes _height _width"]
) -> tuple[Float[Tensor, "planes height width"], Bool[Tensor, "planes height width"]]:
    """``other`` as the reference view would see it, and where it says so.

    What the other photo's mask leaves out says nothing.
    """
    grid, inside = plane_warp.grid(inverse_depth)
    planes, height, width = inside.shape
    # One tall picture of all planes: the image would have to be repeated for a batch of them.
    warped = grid_sample(
        other.pinhole[None, None],
        grid.view(1, planes * height, width, 2),
        padding_mode="border",
        align_corners=False,
    )
    if other.pinhole_kept is not None:
        kept = grid_sample(
            other.pinhole_kept[None, None],
            grid.view(1, planes * height, width, 2),
            padding_mode="border",
            align_corners=False,
        )
        inside &= kept.view(planes, height, width) > _MOSTLY_KEPT
    return warped.view(planes, height, width), inside


class Matcher:
    """Compares one reference view with its sources at any inverse depth.

    Correlations are means over all ``windows`` of the reference: the small ones are sharp at edges,
    the large ones know more where there is little to see.
    """

    def __init__(
        self,
        reference: SweepView,
        sources: Sequence[SweepView],
        windows: Sequence[Windows | AdaptiveWindows],
        best: int,
    ) -> None:
        self.windows = windows
        self.sources = sources
        self.warps = [warp_between(reference, source) for source in sources]
        self.best = min(best, len(sources))
        self.size = reference.size

    def scores(
        self, inverse_depth: Float[Tensor, "planes _height _width"]
    ) -> Float[Tensor, "planes height width"]:
        """Mean correlation of the ``best`` sources; a source that cannot see a pixel counts 0.

        A source in which the surface is hidden correlates badly and is outvoted.
        """
        ranked: list[Tensor] = []
        for source, plane_warp in zip(self.sources, self.warps, strict=True):
            score = self._correlation(source, plane_warp, inverse_depth)
            for rank, other in enumerate(ranked):
                ranked[rank], score = torch.maximum(other, score), torch.minimum(other, score)
            if len(ranked) < self.best:
                ranked.append(score)
        total = ranked[0]
        for score in ranked[1:]:
            total = total.add_(score)
        return total.div_(len(ranked))

    def _correlation(
        self, source: SweepView, plane_warp: PlaneWarp, inverse_depth: Tensor
    ) -> Tensor:
        warped, inside = warp(source, plane_warp, inverse_depth)
        score = self.windows[0].correlate(warped)
        for windows in self.windows[1:]:
            score += windows.correlate(warped)
        return score.mul_(inside).div_(len(self.windows))

    def volume(self, planes: Float[Tensor, " planes"]) -> Float[Tensor, "height width planes"]:
        """Scores of fronto-parallel planes at these inverse depths."""
        height, width = self.size
        volume = torch.empty(len(planes), height, width)
        at_once = max(1, _AT_ONCE // (height * width))
        for start in range(0, len(planes), at_once):
            part = planes[start : start + at_once, None, None]
            volume[start : start + at_once] = self.scores(part)
        return volume.permute(1, 2, 0).contiguous()
