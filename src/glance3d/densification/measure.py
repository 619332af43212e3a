"""One view's depth from its photos: a sweep, a search about its surface, and who confirms it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from glance3d.densification.adaptive_windows import AdaptiveWindows
from glance3d.densification.agreement import confirms, without_speckles
from glance3d.densification.correlation import Windows
from glance3d.densification.options import SweepOptions
from glance3d.densification.sources import choose_sources, inverse_depth_range, plan_planes
from glance3d.densification.surface import (
    median_of_nine,
    refine_surface,
    sharpen_edges,
    sweep_surface,
)
from glance3d.densification.sweep import Matcher
from glance3d.densification.views import SweepView
from glance3d.types import Reconstruction


@dataclass(frozen=True)
class Sweep:
    """What one view's own sweep found: z-depth (0 without sources) and the score there."""

    sources: list[int]
    depth: Float[Tensor, "height width"]
    score: Float[Tensor, "height width"]


def sweep_view(
    scene: Reconstruction,
    view: int,
    coarse: list[SweepView],
    fine: list[SweepView],
    options: SweepOptions,
) -> Sweep:
    """Depth of every pixel of one view, right or wrong."""
    sources = choose_sources(scene, view, options.num_sources)
    if not sources:
        nothing = torch.zeros(fine[view].size)
        return Sweep([], nothing, nothing)
    others = [coarse[source] for source in sources]
    span = inverse_depth_range(scene, view)
    planes = plan_planes(coarse[view], others, span, options.num_planes)
    windows = [Windows.of(coarse[view].grey, radius) for radius in options.sweep_radii]
    matcher = Matcher(coarse[view], others, windows, options.num_best)
    rough = median_of_nine(sweep_surface(matcher, coarse[view].grey, planes))
    others = [fine[source] for source in sources]
    windows = [AdaptiveWindows.of(fine[view].grey)]
    matcher = Matcher(fine[view], others, windows, options.num_best)
    surface = interpolate(rough[None, None], fine[view].size, mode="nearest")[0, 0]
    step = float(planes[1] - planes[0])
    surface = median_of_nine(sharpen_edges(matcher, surface, 4 * step))
    surface, _ = refine_surface(matcher, surface, step / 3, 3)
    inverse_depth, score = refine_surface(matcher, median_of_nine(surface), step / 8, 2)
    depth = torch.where(inverse_depth > 0, 1 / inverse_depth.clamp(min=1e-12), 0.0)
    return Sweep(sources, depth, score)


def confirmed(
    view: int, sweeps: list[Sweep], views: list[SweepView], options: SweepOptions
) -> Bool[Tensor, "height width"]:
    """Where enough partners agree: views that this one was compared with, or the other way."""
    own = sweeps[view]
    partners = [
        other
        for other, sweep in enumerate(sweeps)
        if sweep.sources and (other in own.sources or view in sweep.sources)
    ]
    votes = torch.zeros(own.depth.shape)
    for other in partners:
        votes += confirms(
            views[view],
            own.depth,
            views[other],
            sweeps[other].depth,
            options.max_pixels_apart,
            options.max_ratio_apart,
        )
    together = (votes >= options.num_confirming) & (own.score >= options.min_score)
    alone = (votes >= 1) & (own.score >= options.min_score_alone)
    return without_speckles(own.depth, together | alone)
