"""Whether what two windows see fits together once a loop has put them into one frame.

Two rooms that look alike have different surroundings: what one window saw through, the other then
fills with walls (cf. Heinly et al., "Correcting for duplicate scene structure in sparse 3D
reconstruction", ECCV 2014).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.geometry.cameras import project_points, unproject_depth
from glance3d.geometry.filter import spread_sample, usable_depth
from glance3d.geometry.free_space import compare_depths, depths_around
from glance3d.geometry.similarity import identity_similarity
from glance3d.windows.graph.edges import WindowEdge
from glance3d.windows.moving import moved
from glance3d.windows.store import WindowStore

_MAX_VIEWS = 8  # of a window, spread over it
_MAX_POINTS = 200  # of a view
_TOLERANCE = 0.1  # of the depth
_LEAST_INSIDE = 0.2  # of a view's points: views that look elsewhere say nothing of each other
_MOST_THROUGH = 0.15  # of the points that another view can judge
_LEAST_SEEN = 0.3  # of what the ends' views both look at


def doubt_of_surroundings(
    edge: WindowEdge,
    ends: tuple[tuple[int, ...], tuple[int, ...]],
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    usable: Bool[Tensor, "views height width"],
) -> str | None:
    """What speaks against the edge, in a person's words; None if nothing does.

    ``ends`` are the views of either window that a pass saw together: they must see one surface.
    Of both windows as they are, no view may look through what the other's see.
    """
    seen, _, inside = _counts(edge, ends, windows, store, usable)
    if seen < _LEAST_SEEN * inside or not seen:
        return f"its ends see one surface in only {seen / max(inside, 1):.0%} of what both look at"
    whole = tuple(_spread(windows[index]) for index in (edge.first, edge.second))
    seen, through, _ = _counts(edge, (whole[0], whole[1]), windows, store, usable)
    share = through / max(seen + through, 1)
    if share > _MOST_THROUGH:
        return f"one window sees through {share:.0%} of what the other holds to be there"
    return None


def _spread(views: tuple[int, ...]) -> tuple[int, ...]:
    """At most so many, evenly from all."""
    ordered = sorted(views)
    count = min(len(ordered), _MAX_VIEWS)
    return tuple(ordered[place * (len(ordered) - 1) // max(count - 1, 1)] for place in range(count))


@dataclass(frozen=True)
class _Surfaces:
    """What some views of a window see, in a common frame and scale."""

    depth: Float[Tensor, "views height width"]
    usable: Bool[Tensor, "views height width"]
    cam_from_world: Float[Tensor, "views 3 4"]
    intrinsics: Float[Tensor, "views 3 3"]

    def points(self) -> list[Float[Tensor, "points 3"]]:
        """World points of each view, evenly from those that count."""
        world = unproject_depth(self.depth, self.cam_from_world, self.intrinsics)
        own = [points[counts] for points, counts in zip(world, self.usable, strict=True)]
        return [points[spread_sample(len(points), _MAX_POINTS)] for points in own]


def _counts(
    edge: WindowEdge,
    views: tuple[tuple[int, ...], tuple[int, ...]],
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    usable: Bool[Tensor, "views height width"],
) -> tuple[int, int, int]:
    """Points of either that the other sees too, sees through, and has within its pictures."""
    sides = []
    frames = (identity_similarity(), edge.first_from_second)
    for index, some, world in zip((edge.first, edge.second), views, frames, strict=True):
        places = [windows[index].index(view) for view in some]
        said = moved(store.get(index).of_views(places), world)
        assert said.depth is not None
        depth, (cam_from_world, intrinsics) = said.depth[0], said.cameras()
        counts = usable[list(some)] & usable_depth(depth)
        sides.append(_Surfaces(depth * counts, counts, cam_from_world[0], intrinsics[0]))
    totals = torch.zeros(3, dtype=torch.long)
    for source, target in (sides, sides[::-1]):
        for points in source.points():
            totals += _of_points(points, target)
    seen, through, inside = totals.tolist()
    return seen, through, inside


def _of_points(points: Float[Tensor, "points 3"], target: _Surfaces) -> Int[Tensor, "3"]:
    """The three counts of one view's points, by all views within whose pictures enough lie."""
    least = _LEAST_INSIDE * max(len(points), 1)
    points = points.expand(len(target.depth), -1, -1)
    pixels, own = project_points(points, target.cam_from_world, target.intrinsics)
    around = depths_around(target.depth, torch.where((own > 0)[..., None], pixels, -1.0))
    inside = (around > 0).any(-2).sum(-1)
    counts = torch.stack([one.sum(-1) for one in compare_depths(around, own, _TOLERANCE)])
    return torch.cat([counts, inside[None]])[:, inside >= least].sum(-1)
