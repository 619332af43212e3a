"""What a photo set holds, whether its geometry closes, and how it should be read if it does not."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_centers
from glance3d.photo_sets.checking.depth_transfer import (
    DepthReading,
    DepthSamples,
    sample_depth,
)
from glance3d.photo_sets.checking.pairs import pairs_to_compare
from glance3d.photo_sets.checking.readings import (
    ReadingScore,
    best_depth_reading,
    best_points_reading,
    is_clearly_better,
    score_depth,
    score_points,
)
from glance3d.photo_sets.conventions import Conventions
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.photo_sets.table import stated_conventions
from glance3d.text import first_names

# Views whose depth is looked at, evenly spaced runs of neighbours.
_MOST_MAPS = 60


@dataclass(frozen=True)
class PhotoSetCheck:
    """What :func:`check_photo_set` found.

    ``baseline`` is the median distance of a camera to the next one, over the median depth where
    depth is known, else in units. ``depth_coverage`` is the median share of pixels with depth where
    there is a map. ``overlap`` is the median share of a view's points that lie on a surface which
    its next view sees. ``stated`` is how the numbers fit as they are read, None where the set has
    neither depth nor points; ``better`` is another reading that fits, where this one does not.
    """

    name: str
    kind: str
    num_photos: int
    sizes: tuple[tuple[int, int], ...]
    field_of_view_x_deg: float
    baseline: float
    baseline_is_relative: bool
    num_depth: int
    depth_coverage: float | None
    depth_range: tuple[float, float] | None
    num_points: int
    overlap: float | None
    verified_by: str | None
    format_says: Conventions
    read_as: Conventions
    stated: ReadingScore | None
    better: ReadingScore | None
    warnings: tuple[str, ...]

    @property
    def closes(self) -> bool | None:
        """Whether the geometry closes; None where nothing tells."""
        return None if self.stated is None else self.stated.closes

    @property
    def flags(self) -> str | None:
        """All options for the better reading: also those that were given, and are still needed."""
        if self.better is None:
            return None
        return self.better.conventions.flags(self.read_as, self.format_says)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "closes": self.closes, "flags": self.flags}


def check_photo_set(photos: PhotoSet, meant: Conventions | None = None) -> PhotoSetCheck:
    """Count, measure, and compare the views of a set with each other.

    Depth of one view is carried into others through the cameras; without depth, points are
    projected to where they were seen. Where that does not fit, all usual readings are tried: poses
    of the other direction, axes of OpenGL or OpenCV, depth in another unit or along the ray,
    intrinsics of another size.

    Args:
        photos: The set as its format says that it is to be read.
        meant: How it is meant, if otherwise.

    Raises:
        InputError: The set has fewer than two photos.
        ImageError: A depth map cannot be read.
    """
    if len(photos) < 2:
        raise InputError(f"{photos.name} must have at least two photos, got {len(photos)}")
    stated = stated_conventions(photos)
    meant = meant or stated
    with_depth = [view for view, path in enumerate(photos.depth_paths) if path is not None]
    samples = sample_depth(photos, _runs(with_depth))
    baselines = _baselines(photos)
    shared = {
        "name": photos.name,
        "kind": photos.kind,
        "num_photos": len(photos),
        "sizes": tuple(sorted({(int(w), int(h)) for w, h in photos.cameras.image_sizes.tolist()})),
        "field_of_view_x_deg": _field_of_view(photos),
        "num_depth": len(with_depth),
        "num_points": 0 if photos.sparse is None else len(photos.sparse),
        "format_says": stated,
        "read_as": meant,
        "warnings": photos.warnings + _empty_maps(photos, samples),
    }
    samples = samples.without_empty()
    if len(samples.views) >= 2:
        return PhotoSetCheck(**shared, **_by_depth(photos, samples, baselines, stated, meant))
    nothing = {"depth_coverage": None, "depth_range": None, "overlap": None}
    relative = {"baseline": baselines, "baseline_is_relative": False}
    if photos.sparse is None:
        return PhotoSetCheck(
            **shared, **nothing, **relative, verified_by=None, stated=None, better=None
        )
    score = score_points(photos, photos.sparse, stated, meant)
    better = None if score.closes else best_points_reading(photos, photos.sparse, stated, meant)
    return PhotoSetCheck(
        **shared,
        **nothing,
        **relative,
        verified_by="points",
        stated=score,
        better=_if_better(better, score),
    )


def _by_depth(
    photos: PhotoSet,
    samples: DepthSamples,
    baseline: float,
    stated: Conventions,
    meant: Conventions,
) -> dict[str, Any]:
    views = list(samples.views)
    pairs = pairs_to_compare(photos, views)
    score = score_depth(photos, samples, pairs, stated, meant)
    better = best_depth_reading(photos, samples, pairs, stated, score, thorough=not score.closes)
    if is_clearly_better(better, score):  # small motions and narrow views hide a wrong reading
        score = replace(score, closes=False)
    known = torch.cat(samples.depth)
    factor = meant.depth_factor
    low, middle, high = (float(known.quantile(q)) * factor for q in (0.05, 0.5, 0.95))
    reading = DepthReading(photos.cameras, samples, stated, meant)
    next_views = [reading.transfer(place, place + 1) for place in range(len(views) - 1)]
    overlaps = torch.stack([transfer.agreeing() for transfer in next_views])
    return {
        "baseline": baseline / middle,
        "baseline_is_relative": True,
        "depth_coverage": float(
            torch.stack([(depth > 0).double().mean() for depth in samples.maps]).median()
        ),
        "depth_range": (low, high),
        "overlap": float(overlaps.median()),
        "verified_by": "depth",
        "stated": score,
        "better": _if_better(better, score),
    }


def _empty_maps(photos: PhotoSet, samples: DepthSamples) -> tuple[str, ...]:
    names = [photos.image_paths[view].name for view in samples.empty]
    return (f"nothing is known in the depth maps of {first_names(names)}",) if names else ()


def _runs(views: list[int]) -> list[int]:
    """At most so many, in runs of neighbours that are spread over the set."""
    if len(views) <= _MOST_MAPS:
        return views
    num_runs = 3
    length = _MOST_MAPS // num_runs
    starts = [run * (len(views) - length) // (num_runs - 1) for run in range(num_runs)]
    return [view for start in starts for view in views[start : start + length]]


def _if_better(other: ReadingScore | None, stated: ReadingScore) -> ReadingScore | None:
    if other is None or stated.closes or not is_clearly_better(other, stated):
        return None
    return other


def _baselines(photos: PhotoSet) -> float:
    """The median distance from a camera to the next."""
    centers = camera_centers(photos.cameras.cam_from_world.double())
    return float((centers[1:] - centers[:-1]).norm(dim=-1).median())


def _field_of_view(photos: PhotoSet) -> float:
    widths = photos.cameras.image_sizes[:, 0].double()
    halves = widths / (2 * photos.cameras.intrinsics[:, 0, 0].double())
    return float(torch.rad2deg(2 * halves.atan()).median())
