"""The usual ways of reading a photo set, tried one after another."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.photo_sets.checking.depth_transfer import AGREES, DepthReading, DepthSamples
from glance3d.photo_sets.checking.points import CLOSE_PIXELS, reprojection_errors
from glance3d.photo_sets.conventions import Axes, Conventions, DepthAlong, Poses
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.types import SparsePoints

Pairs = Sequence[tuple[int, int]]

#: Median relative difference of depth beyond which a set does not close.
LARGEST_DEPTH_ERROR = 0.05
#: Of a view's points, how many another view must be able to say something of.
OVERLAPS = 0.2

# Depth may be in any unit: factors of a fine row are tried, and then those of known units.
_DECADES, _STEPS = 4, 12
_UNITS = (1.0, 1e-3, 1e3, 1e-2, 1e2, 0.1, 10.0, 0.2, 5.0, 0.3048, 1 / 0.3048, 0.0254, 1 / 0.0254)
# A unit is named if it explains nearly as much as the best factor, or a good part of it as exactly.
_AS_GOOD, _NAMED = 0.9, 0.5
# Another reading is named if it explains so many times as much, and so much of all samples more;
# or no less, with errors of such a share.
_CLEARLY, _CLEARLY_MORE = 1.2, 0.02
_CLEARLY_CLOSER = 1 / 3
# Of readings that explain so much of what the best does, with errors no so many times the least
# (or too small to matter), the one that changes least is named.
_AS_MUCH, _AS_CLOSE, _EXACT = 0.97, 3.0, 1e-3
# A principal point this far from the middle, as a share, speaks of pixels of another size.
_OFF_CENTER = 0.1


@dataclass(frozen=True)
class ReadingScore:
    """How well the numbers fit, read in one way.

    ``share`` is how much of what could be compared agrees, of all samples; ``error`` is the median
    relative error of depth, or pixels of a photo with a diagonal of 1,000; NaN: nothing overlaps.
    """

    conventions: Conventions
    share: float
    error: float
    closes: bool


def _simplest(scores: Sequence[ReadingScore], meant: Conventions) -> ReadingScore:
    """The reading that explains most; of several that do, the one that changes least."""
    most = max(score.share for score in scores)
    good = [score for score in scores if score.share >= _AS_MUCH * most]
    exact = [score for score in good if not math.isnan(score.error)]
    if not exact:
        return max(scores, key=lambda score: score.share)
    limit = max(_AS_CLOSE * min(score.error for score in exact), _EXACT)

    def cost(score: ReadingScore) -> tuple[int, float]:
        changes = [getattr(score.conventions, name) != value for name, value in vars(meant).items()]
        return sum(changes), score.error

    return min((score for score in exact if score.error <= limit), key=cost)


def score_depth(
    photos: PhotoSet,
    samples: DepthSamples,
    pairs: Pairs,
    stated: Conventions,
    meant: Conventions,
) -> ReadingScore:
    """How well depth of pairs of sampled views agrees."""
    reading = DepthReading(photos.cameras, samples, stated, meant)
    share = float(_shares(reading, pairs, torch.ones(1, dtype=torch.float64), AGREES))
    error = _error(reading, pairs)
    return ReadingScore(meant, share, error, error < LARGEST_DEPTH_ERROR)


def _with_depth_in_its_unit(
    photos: PhotoSet, samples: DepthSamples, pairs: Pairs, stated: Conventions, meant: Conventions
) -> ReadingScore:
    """The same reading with depth in the unit with which most agrees."""
    factor = _depth_factor(DepthReading(photos.cameras, samples, stated, meant), pairs)
    scaled = replace(meant, depth_factor=meant.depth_factor * factor)
    return score_depth(photos, samples, pairs, stated, scaled)


def is_clearly_better(score: ReadingScore, other: ReadingScore) -> bool:
    """Whether a reading closes and explains so much more than another that it must be meant."""
    explains_more = score.share > _CLEARLY * other.share + _CLEARLY_MORE
    # Where views look past each other, more of them meets if all is nearer or farther: roughly.
    explains_more &= not score.error > max(_AS_CLOSE * other.error, _EXACT)
    is_closer = score.share >= other.share and score.error < _CLEARLY_CLOSER * other.error
    return score.closes and (explains_more or is_closer)


def score_points(
    photos: PhotoSet, sparse: SparsePoints, stated: Conventions, meant: Conventions
) -> ReadingScore:
    """How well points project to where they were seen."""
    errors = reprojection_errors(photos, sparse, stated, meant)
    share, error = float((errors < CLOSE_PIXELS).double().mean()), float(errors.median())
    return ReadingScore(meant, share, error, error < CLOSE_PIXELS)


def best_depth_reading(
    photos: PhotoSet,
    samples: DepthSamples,
    pairs: Pairs,
    stated: Conventions,
    score: ReadingScore,
    *,
    thorough: bool,
) -> ReadingScore:
    """The reading with which most depth agrees; that of ``score``, where another is no better.

    Cheap guesses first: another reading, or another unit of depth. If neither will do,
    ``thorough`` tries every reading with depth in every unit.
    """
    meant = score.conventions
    readings = list(_readings(photos, meant, with_depth=True))
    others = [other for other in readings if other != meant]
    same_unit = [score_depth(photos, samples, pairs, stated, other) for other in others]
    best = _simplest([score, *same_unit], meant)
    if is_clearly_better(best, score):
        return best
    scaled = _with_depth_in_its_unit(photos, samples, pairs, stated, meant)
    best = _simplest([best, scaled], meant)
    if is_clearly_better(best, score):  # in that unit, another reading may fit better still
        unit = best.conventions.depth_factor
        of_unit = [replace(other, depth_factor=unit) for other in others]
        scores = [score_depth(photos, samples, pairs, stated, other) for other in of_unit]
        closest = _simplest([best, *scores], best.conventions)
        return closest if is_clearly_better(closest, best) else best
    if not thorough:
        return best
    in_units = [_with_depth_in_its_unit(photos, samples, pairs, stated, other) for other in others]
    return _simplest([best, *in_units], meant)


def best_points_reading(
    photos: PhotoSet, sparse: SparsePoints, stated: Conventions, meant: Conventions
) -> ReadingScore:
    """The reading with which most points project to where they were seen."""
    scores = [
        score_points(photos, sparse, stated, other)
        for other in _readings(photos, meant, with_depth=False)
    ]
    return max(scores, key=lambda score: score.share)


def _readings(photos: PhotoSet, meant: Conventions, *, with_depth: bool) -> Iterator[Conventions]:
    """All of them; depth's unit is left to be found."""
    alongs = get_args(DepthAlong) if with_depth else (meant.depth_along,)
    for factor in _intrinsics_factors(photos, meant):
        for along in alongs:
            for poses in get_args(Poses):
                for axes in get_args(Axes):
                    yield replace(
                        meant,
                        poses=poses,
                        axes=axes,
                        depth_along=along,
                        intrinsics_factor=factor,
                    )


def _intrinsics_factors(photos: PhotoSet, meant: Conventions) -> list[float]:
    """As stated, and as the middles of the photos say."""
    middles = photos.cameras.intrinsics[:, :2, 2] / photos.cameras.image_sizes * 2
    factor = float(middles.double().median())
    if abs(factor - 1) < _OFF_CENTER:
        return [meant.intrinsics_factor]
    near = min((2.0**power for power in range(-4, 5)), key=lambda two: abs(math.log(two / factor)))
    factor = near if abs(near / factor - 1) < _OFF_CENTER else factor
    return [meant.intrinsics_factor, meant.intrinsics_factor * factor]


def _depth_factor(reading: DepthReading, pairs: Pairs) -> float:
    """The factor on depth with which most agrees: a known unit's, where that is as good.

    Along a surface that cameras move beside, depth fits in many units: then one that is known.
    """
    exponents = torch.arange(-_DECADES * _STEPS, _DECADES * _STEPS + 1, dtype=torch.float64)
    coarse = 10 ** (exponents / _STEPS)
    # The tolerance covers the step, so that no factor falls between two.
    near = float(coarse[_shares(reading, pairs, coarse, math.log(10) / _STEPS / 2).argmax()])
    fine = near * 10 ** (torch.linspace(-1, 1, 21, dtype=torch.float64) / _STEPS)
    shares = _shares(reading, pairs, fine, AGREES)
    factor, share = float(fine[shares.argmax()]), float(shares.max())
    units = torch.tensor(_UNITS, dtype=torch.float64)
    of_units = _shares(reading, pairs, units, AGREES)
    best = int(of_units.argmax())
    unit, of_unit = _UNITS[best], float(of_units[best])
    if of_unit >= _AS_GOOD * share:
        return unit
    # Cameras that look past each other see more in common where all is nearer: no less exact?
    limit = max(_AS_CLOSE * _error(reading, pairs, factor), _EXACT)
    if of_unit >= _NAMED * share and _error(reading, pairs, unit) <= limit:
        return unit
    return factor


def _error(reading: DepthReading, pairs: Pairs, factor: float = 1.0) -> float:
    """The median over pairs that overlap of their relative errors of depth; NaN if none does."""
    transfers = (reading.transfer(*pair, scale=factor) for pair in pairs)
    errors = [t.error for t in transfers if float(t.inside.double().mean()) >= OVERLAPS]
    return float(torch.tensor(errors).median()) if errors else math.nan


def _shares(
    reading: DepthReading, pairs: Pairs, factors: Float[Tensor, " factors"], tolerance: float
) -> Float[Tensor, " factors"]:
    """How much agrees with each factor on depth, the mean over pairs."""
    total = torch.zeros_like(factors)
    for pair in pairs:
        total += reading.transfer(*pair, scale=factors).agreeing(tolerance)
    return total / len(pairs)
