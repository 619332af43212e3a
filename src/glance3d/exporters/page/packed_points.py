"""Points as few bytes: 16-bit positions, 8-bit colours, 8-bit confidence.

Points lie in the order of :func:`level_of_detail_order` and in chunks of so many that a first
picture needs only the first. A chunk of n points is 10 n bytes: n positions (three little-endian
uint16, 0 to 65535 from the lowest to the highest corner of the cloud's bounds), then n times red,
green, blue (sRGB) and confidence. Confidence is a percentile: a point of the byte b is drawn above
the percentile p if b > 2.55 p.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from glance3d.exporters.points.point_cloud import points_depth
from glance3d.exporters.presentation.order import guessed_share, level_of_detail_order
from glance3d.types import Reconstruction, SparsePoints

POINTS_IN_CHUNK = 1 << 16
BYTES_OF_POINT = 10
_LEVELS = 65535
# Sky may be thousands of times farther than the rest, which must keep its precision: on each side
# the bounds exceed the middle 98 % of the points by the width of these.
_OUTER_SHARE = 0.01
_SAMPLED = 100_000


@dataclass(frozen=True)
class PackedPoints:
    """A cloud in chunks, in the upright frame.

    Positions are relative to the bounds ``lowest`` and ``extent``. Points from the confidence byte
    ``measured_from`` on were measured, those below guessed; None where that is not known.
    ``num_shown`` of ``num_points`` are in the chunks; ``num_far`` were left out, too far away for
    the bounds, the others because of the budget. ``spacing`` is about how far those that are shown
    lie apart on a surface, 0 where that is not known.
    """

    chunks: tuple[bytes, ...]
    lowest: tuple[float, float, float]
    extent: tuple[float, float, float]
    num_shown: int
    num_points: int
    num_far: int
    spacing: float
    measured_from: int | None = None


def pack_depth_points(
    scene: Reconstruction,
    percentiles: Float[Tensor, "views h w"],
    upright: Float[Tensor, "3 3"],
    max_points: int,
) -> PackedPoints:
    """A uniform sample of the points of all photos; ``percentiles`` are those of the scene.

    The scene must have points: check ``has_points`` first.
    """
    assert scene.points_world is not None
    kept = ~percentiles.isnan()
    confidence, measured_from = _with_boundary(scene, percentiles[kept], kept)
    packed = _packed(
        scene.points_world[kept] @ upright.T,
        scene.colors[kept],
        confidence,
        max_points,
        measured_from,
    )
    widths = _pixel_widths(scene)[kept]
    thinned = (len(widths) / packed.num_shown) ** 0.5
    return replace(packed, spacing=widths.median().item() * thinned)


def pack_sparse_points(
    sparse: SparsePoints, upright: Float[Tensor, "3 3"], max_points: int
) -> PackedPoints | None:
    """The measured points; confidence grows with the number of photos that see one."""
    if len(sparse) == 0:
        return None
    num_views = sparse.num_observations_of_each().float()
    rank = torch.searchsorted(num_views.sort().values, num_views, right=True)
    return _packed(
        sparse.points_world.float() @ upright.T,
        sparse.colors,
        confidence_bytes(100 * rank / len(sparse)),
        max_points,
        None,
    )


def confidence_bytes(percentiles: Float[Tensor, " n"]) -> UInt8[Tensor, " n"]:
    """Percentiles from above 0 to 100 as 1 to 255, so that above any limit stays above it."""
    return (percentiles.double() * 2.55 - 1e-9).ceil().clamp(1, 255).to(torch.uint8)


def display_bounds(points: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """The lowest and the highest corner of the box in which points are worth showing."""
    sample = points[:: max(1, len(points) // _SAMPLED)].sort(0).values
    low = sample[int(_OUTER_SHARE * (len(sample) - 1))]
    high = sample[int((1 - _OUTER_SHARE) * (len(sample) - 1))]
    width = (high - low).amax()
    return torch.maximum(low - width, points.amin(0)), torch.minimum(high + width, points.amax(0))


def _with_boundary(
    scene: Reconstruction, percentiles: Float[Tensor, " n"], kept: Bool[Tensor, "views h w"]
) -> tuple[UInt8[Tensor, " n"], int | None]:
    """Confidence bytes in which no guessed point shares its value with a measured one."""
    confidence = confidence_bytes(percentiles)
    share = guessed_share(scene, kept)
    if share is None or scene.measured is None:
        return confidence, None
    boundary = min(max(round(255 * share), 1), 254) if share > 0 else 0
    measured = scene.measured[kept]
    separated = torch.where(
        measured, confidence.clamp(min=boundary + 1), confidence.clamp(max=max(boundary, 1))
    )
    return separated, boundary + 1


def _packed(
    points: Float[Tensor, "n 3"],
    colors: UInt8[Tensor, "n 3"],
    confidence: UInt8[Tensor, " n"],
    max_points: int,
    measured_from: int | None,
) -> PackedPoints:
    lowest, highest = display_bounds(points)
    near = ((points >= lowest) & (points <= highest)).all(-1).nonzero().squeeze(-1)
    chosen = near[level_of_detail_order(len(near))[:max_points]]
    extent = (highest - lowest).clamp(min=1e-9)
    levels = ((points[chosen] - lowest) / extent * _LEVELS).round().clamp(0, _LEVELS)
    shades = torch.cat([colors[chosen], confidence[chosen, None]], 1)
    return PackedPoints(
        chunks=_chunks(levels.numpy().astype("<u2"), shades.numpy()),
        lowest=_triple(lowest),
        extent=_triple(extent),
        num_shown=len(chosen),
        num_points=len(points),
        num_far=len(points) - len(near),
        spacing=0.0,
        measured_from=measured_from,
    )


def _chunks(levels: np.ndarray, shades: np.ndarray) -> tuple[bytes, ...]:
    starts = range(0, len(levels), POINTS_IN_CHUNK)
    return tuple(
        levels[start : start + POINTS_IN_CHUNK].tobytes()
        + shades[start : start + POINTS_IN_CHUNK].tobytes()
        for start in starts
    )


def _pixel_widths(scene: Reconstruction) -> Float[Tensor, "views h w"]:
    """Width of one pixel of the grid at the depth of its point."""
    on_grid = scene.cameras.on_grid(scene.placements)
    return points_depth(scene) / on_grid.intrinsics[:, 0, 0, None, None]


def _triple(vector: Float[Tensor, "3"]) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
