"""Neighbours by what files say of photos: order of names, capture time, position."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.geodesy import ecef_from_geodetic
from glance3d.images.finding.sources import natural_key
from glance3d.retrieval.pairs import Pair, ordered
from glance3d.types import PhotoMetadata

_ROWS_AT_ONCE = 512


def known_neighbours(
    names: Sequence[str], metadata: Sequence[PhotoMetadata], count: int
) -> list[Pair]:
    """Pairs (first < second), sorted: at most ``3 * count`` a photo.

    Each photo and the next ``count`` in the natural order of names (also of one clip's frames), the
    next ones that the same camera took, and the nearest positions by GPS, where files say them.
    """
    pairs = set(
        runs(sorted(range(len(names)), key=lambda view: natural_key(Path(names[view]))), count)
    )
    for taken_by_one in _by_camera(metadata):
        pairs |= set(runs(taken_by_one, count))
    pairs |= set(nearest(_positions(metadata), count))
    return sorted(pairs)


def runs(views: Sequence[int], count: int) -> list[Pair]:
    """Each of the views, in this order, with the next ``count``."""
    return [
        ordered(view, other)
        for place, view in enumerate(views)
        for other in views[place + 1 : place + 1 + count]
    ]


def nearest(positions: Float[Tensor, "views 3"], count: int) -> list[Pair]:
    """Each position with the ``count`` nearest; none for those that are not a number."""
    known = positions.isfinite().all(-1).nonzero().squeeze(-1)
    count = min(count, len(known) - 1)
    if count < 1:
        return []
    pairs = []
    for rows in known.split(_ROWS_AT_ONCE):
        distance = torch.cdist(positions[rows], positions[known])
        distance[rows[:, None] == known] = torch.inf
        chosen = known[distance.topk(count, largest=False).indices]
        pairs += [
            ordered(view, other)
            for view, others in zip(rows.tolist(), chosen.tolist(), strict=True)
            for other in others
        ]
    return sorted(set(pairs))


def _by_camera(metadata: Sequence[PhotoMetadata]) -> list[list[int]]:
    """The views of each camera whose time is known, in order of its own clock."""
    taken: dict[str | None, list[tuple[datetime, int]]] = defaultdict(list)
    for view, photo in enumerate(metadata):
        if photo.taken is not None:
            # A clock's own time: some of one camera's files may lack the time zone.
            time = datetime.fromisoformat(photo.taken).replace(tzinfo=None)
            taken[photo.camera].append((time, view))
    return [[view for _, view in sorted(times)] for times in taken.values()]


def _positions(metadata: Sequence[PhotoMetadata]) -> Float[Tensor, "views 3"]:
    """In metres, from the earth's centre; heights only where all positions have one."""
    located = [photo for photo in metadata if photo.latitude is not None]
    flat = any(photo.altitude is None for photo in located)
    unknown = float("nan")
    geodetic = [
        (
            unknown if photo.latitude is None else photo.latitude,
            unknown if photo.longitude is None else photo.longitude,
            0.0 if flat or photo.altitude is None else photo.altitude,
        )
        for photo in metadata
    ]
    return ecef_from_geodetic(torch.tensor(geodetic, dtype=torch.float64).reshape(-1, 3))
