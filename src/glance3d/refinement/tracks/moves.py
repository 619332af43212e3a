"""Where the photos show the same as the best view of each point: its observations, moved."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.refinement.tracks.local_warps import (
    expected_pixels,
    linear_warps,
    reference_observations,
)
from glance3d.refinement.tracks.observations import TrackObservations
from glance3d.refinement.tracks.patch_alignment import (
    Aligned,
    Templates,
    Warps,
    align,
    correlate,
    cut_templates,
)
from glance3d.refinement.tracks.pyramids import Pyramid

_RADIUS = 7  # pixels, at every level
_COARSE_STEPS, _STEPS, _AFFINE_STEPS = 5, 4, 8
# A place is believed where the patches correlate so well, where their texture tells it to so many
# pixels, and where there is texture: root mean square, of all grey levels.
_MIN_CORRELATION = 0.8
_MAX_DEVIATION = 0.15
_MIN_CONTRAST = 0.015
# Norm of the affine change beyond what the cameras say.
_MAX_CHANGE = 0.6
# These bound what is in flight: patches of points, and of observations of one view.
_POINTS_AT_ONCE = 20_000
_ROWS_AT_ONCE = 2048

Pyramids = Callable[[int], Pyramid]


class Moves(NamedTuple):
    """New pixels of all observations, and which of them moved there."""

    pixels: Float[Tensor, "observations 2"]
    moved: Bool[Tensor, " observations"]


class Places(NamedTuple):
    """Where a photo may show what the templates show, in its pixels, and how it is seen there."""

    linear: Float[Tensor, "n 2 2"]
    observed: Float[Tensor, "n 2"]
    expected: Float[Tensor, "n 2"]


@torch.inference_mode()
def move_observations(
    observations: TrackObservations, pyramids: Pyramids, max_error: float
) -> Moves:
    """Find the patch around each point's reference in the other views that see the point.

    What is not found stays: where there is nothing to see, where views do not look alike, and where
    they look alike farther than ``max_error`` (original pixels) from where cameras and points
    expect it. References stay, too. ``pyramids`` gives the photo of a row of the cameras.
    """
    pixels = observations.pixels.clone()
    moved = torch.zeros(len(pixels), dtype=torch.bool)
    count = len(observations.positions)
    for start in range(0, count, _POINTS_AT_ONCE):
        rows, part = observations.of_points(start, min(start + _POINTS_AT_ONCE, count))
        pixels[rows], moved[rows] = _move_part(part, pyramids, max_error)
    return Moves(pixels, moved)


def _move_part(observations: TrackObservations, pyramids: Pyramids, max_error: float) -> Moves:
    references = reference_observations(observations)
    templates, scales = _cut(observations, references, pyramids)
    linear = linear_warps(observations, references)
    expected = expected_pixels(observations, references, linear)
    # From pixels of the reference as it was cut.
    linear = linear.float() / scales[observations.points][:, None, None]
    pixels = observations.pixels.clone()
    moved = torch.zeros(len(pixels), dtype=torch.bool)
    others = torch.ones_like(moved)
    others[references] = False
    for view in observations.views[others].unique().tolist():
        pyramid = pyramids(view)
        for own in (others & (observations.views == view)).nonzero()[:, 0].split(_ROWS_AT_ONCE):
            places = Places(
                pyramid.scale * linear[own],
                pyramid.scale * observations.pixels[own].float(),
                pyramid.scale * expected[own].float(),
            )
            of_points = [level.at(observations.points[own]) for level in templates]
            found, good = _find(of_points, pyramid, places, max_error * pyramid.scale)
            pixels[own[good]] = found[good].double() / pyramid.scale
            moved[own] = good
    return Moves(pixels, moved)


def _cut(
    observations: TrackObservations, references: Int[Tensor, " points"], pyramids: Pyramids
) -> tuple[list[Templates], Float[Tensor, " points"]]:
    """Each point's patch in its reference, at every level, and the scale of that photo."""
    of_level: list[Templates] = []
    views = observations.views[references]
    scales = torch.ones(len(views))
    for view in views.unique().tolist():
        own = (views == view).nonzero()[:, 0]
        pyramid = pyramids(view)
        scales[own] = pyramid.scale
        middles = pyramid.scale * observations.pixels[references[own]].float()
        for number, picture in enumerate(pyramid.levels):
            cut = cut_templates(picture, middles / 2**number, _RADIUS)
            if number == len(of_level):
                of_level.append(
                    Templates(*(field.new_zeros(len(views), *field.shape[1:]) for field in cut))
                )
            for field, values in zip(of_level[number], cut, strict=True):
                field[own] = values
    return of_level, scales


def _find(
    templates: list[Templates], pyramid: Pyramid, places: Places, max_error: float
) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, " n"]]:
    """Where the photo looks like the templates, and where that is believed."""
    picture, linear = pyramid.levels[0], places.linear
    middle = _likelier(templates[-1], pyramid.levels[-1], places, 2.0 ** (len(templates) - 1))
    for number in range(len(templates) - 1, 0, -1):
        guess = Warps(linear, middle / 2**number)
        coarse, level = templates[number], pyramid.levels[number]
        found = align(coarse, level, guess, affine=False, iterations=_COARSE_STEPS)
        helps = found.correlation > correlate(coarse, level, guess)
        place = 2**number * found.warps.middle
        helps &= (place - places.expected).norm(dim=-1) < max_error
        middle = torch.where(helps[:, None], place, middle)
    guess = Warps(linear, middle)
    shifted = align(templates[0], picture, guess, affine=False, iterations=_STEPS)
    found = _better(shifted, _with_shape(templates[0], picture, shifted))
    place, size = found.warps.middle, torch.tensor(picture.shape[::-1])
    before = correlate(templates[0], picture, Warps(linear, places.observed))
    good = (found.correlation >= _MIN_CORRELATION) & (found.correlation >= before)
    good &= (found.deviation < _MAX_DEVIATION) & (templates[0].contrast > _MIN_CONTRAST)
    good &= (place - places.expected).norm(dim=-1) < max_error
    return place, good & ((place > 0) & (place < size)).all(-1)


def _likelier(
    templates: Templates, picture: Float[Tensor, "height width"], places: Places, size: float
) -> Float[Tensor, "n 2"]:
    """The observed or the expected place, by a level ``size`` times as coarse as the places."""
    observed, expected = (
        correlate(templates, picture, Warps(places.linear, middle / size))
        for middle in (places.observed, places.expected)
    )
    return torch.where((observed >= expected)[:, None], places.observed, places.expected)


def _with_shape(
    templates: Templates, picture: Float[Tensor, "height width"], shifted: Aligned
) -> Aligned:
    """Aligned further with an affine change; not alike at all where that is a large one."""
    found = align(templates, picture, shifted.warps, affine=True, iterations=_AFFINE_STEPS)
    change = torch.linalg.solve(shifted.warps.linear, found.warps.linear) - torch.eye(2)
    is_small = change.flatten(1).norm(dim=1) < _MAX_CHANGE
    return found._replace(correlation=torch.where(is_small, found.correlation, -1.0))


def _better(one: Aligned, other: Aligned) -> Aligned:
    """Row by row whichever correlates more."""
    takes = other.correlation > one.correlation
    middle = torch.where(takes[:, None], other.warps.middle, one.warps.middle)
    linear = torch.where(takes[:, None, None], other.warps.linear, one.warps.linear)
    return Aligned(
        Warps(linear, middle),
        torch.where(takes, other.correlation, one.correlation),
        torch.where(takes, other.deviation, one.deviation),
    )
