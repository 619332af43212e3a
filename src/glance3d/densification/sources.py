"""Which photos to compare a photo with, and between which depths.

Both are asked of points that the view looks at: the measured ones that it is known to see and,
where those say too little, points of the network's depth.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.densification.views import SweepView, warp_between
from glance3d.errors import InputError
from glance3d.geometry.cameras import project_points, unproject_depth
from glance3d.geometry.filter import spread_sample, usable_depth
from glance3d.geometry.transforms import transform_points
from glance3d.types import Reconstruction

#: From this many measured points on, the network's depth is not asked which photos to compare.
_ENOUGH_POINTS = 50
_GUESSED_POINTS = 500
#: Fewer points than this hold no camera.
_HOLDING_POINTS = 8
#: A point inside another view's image, but not known to be seen there, counts for this much.
_MAYBE_SEEN = 0.25
#: Triangulation angles in degrees: best between these two, worth nothing at 0 and less above.
_GOOD_ANGLES, _ANGLE_SPREAD = (3.0, 10.0), 12.0
#: A source's worth, 0 to 1, is at least this, or it is none.
_LEAST_WORTH = 0.01
#: How far depth may lie beyond nearly all measured points, and all guessed ones.
_MEASURED_MARGINS, _GUESSED_MARGINS = (1.3, 1.6), (1.6, 1.6)


@dataclass(frozen=True)
class SeenPoints:
    """Points in front of a view, their z-depth in it, and how surely each view sees them."""

    points_world: Float[Tensor, "points 3"]
    depth: Float[Tensor, " points"]
    seen: Float[Tensor, "points views"]


def measured_points(scene: Reconstruction, view: int) -> SeenPoints:
    """The points of ``scene.sparse`` that ``view`` observes."""
    sparse = scene.sparse
    if sparse is None:
        return _seen_points(scene, torch.zeros(0, 3), view, torch.zeros(0, scene.num_views))
    observed = torch.zeros(len(sparse), scene.num_views)
    observed[sparse.point_indices, sparse.view_indices] = 1.0
    mine = observed[:, view] > 0
    return _seen_points(scene, sparse.points_world[mine], view, observed[mine])


def guessed_points(scene: Reconstruction, view: int) -> SeenPoints:
    """A spread of points of the depth map of ``view``; none without depth."""
    points = torch.zeros(0, 3)
    if scene.depth is not None:
        cameras = scene.cameras.on_grid(scene.placements)
        radial = None if cameras.radial is None else cameras.radial[view]
        depth, pose = scene.depth[view], cameras.cam_from_world[view]
        points = unproject_depth(depth, pose, cameras.intrinsics[view], radial=radial)
        points = points[usable_depth(depth) & scene.mask[view]]
        points = points[spread_sample(len(points), _GUESSED_POINTS)]
    return _seen_points(scene, points, view, torch.zeros(len(points), scene.num_views))


def _seen_points(
    scene: Reconstruction,
    points: Float[Tensor, "points 3"],
    view: int,
    observed: Float[Tensor, "points views"],
) -> SeenPoints:
    cameras = scene.cameras
    depth = transform_points(cameras.cam_from_world[view], points)[:, 2]
    everywhere = points.expand(scene.num_views, -1, -1)
    pixels, depths = project_points(everywhere, cameras.cam_from_world, cameras.intrinsics)
    inside = ((pixels > 0) & (pixels < cameras.image_sizes[:, None])).all(-1) & (depths > 0)
    seen = torch.maximum(observed, _MAYBE_SEEN * inside.T)
    front = depth > 0
    return SeenPoints(points[front], depth[front], seen[front])


def held_views(scene: Reconstruction) -> Bool[Tensor, " views"]:
    """Whose cameras measured points hold; all of them where nobody has looked for such points.

    With a camera that is a guess nothing can be measured, and two guesses may agree by chance.
    """
    if scene.sparse is None:
        return torch.ones(scene.num_views, dtype=torch.bool)
    seen = torch.bincount(scene.sparse.view_indices, minlength=scene.num_views)
    return seen >= _HOLDING_POINTS


def choose_sources(scene: Reconstruction, view: int, max_sources: int) -> list[int]:
    """The views that see much of what ``view`` sees, from neither too near nor too far; best first.

    Each point votes for the views that see it, by the angle between the two lines of sight and by
    how similar its distances are. An unseen point's vote counts for less than a seen one's. Views
    whose cameras nothing holds are no sources, and have none.
    """
    held = held_views(scene)
    if not held[view]:
        return []
    points = measured_points(scene, view)
    if len(points.depth) < _ENOUGH_POINTS:
        guessed = guessed_points(scene, view)
        points = SeenPoints(
            torch.cat([points.points_world, guessed.points_world]),
            torch.cat([points.depth, guessed.depth]),
            torch.cat([points.seen, guessed.seen]),
        )
    if not len(points.depth):
        return []
    sight = points.points_world[:, None] - scene.cameras.centers
    distance = sight.norm(dim=-1).clamp(min=1e-9)
    own, own_distance = sight[:, view, None], distance[:, view, None]
    cosine = (sight * own).sum(-1) / (distance * own_distance)
    angle = torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))
    low, high = _GOOD_ANGLES
    narrow = (angle / low).clamp(max=1)
    wide = (angle - high).clamp(min=0) / _ANGLE_SPREAD
    zoom = (distance / own_distance).log()
    votes = points.seen * narrow**2 * torch.exp(-0.5 * wide**2 - 2 * zoom**2)
    worth = votes.mean(0) * held
    worth[view] = 0
    ranked = torch.argsort(worth, descending=True, stable=True).tolist()
    return [other for other in ranked[:max_sources] if worth[other] >= _LEAST_WORTH]


def inverse_depth_range(scene: Reconstruction, view: int) -> tuple[float, float]:
    """From the farthest to the nearest inverse depth that the view's surfaces may have.

    All but the outermost measured points, with margins; widened to the network's depth, but not by
    more than half where many points were measured.
    """
    measured, guessed = measured_points(scene, view).depth, guessed_points(scene, view).depth
    spans = []
    for depth, (near, far), outermost in (
        (measured, _MEASURED_MARGINS, 0.01),
        (guessed, _GUESSED_MARGINS, 0.03),
    ):
        if len(depth):
            low, high = depth.quantile(outermost), depth.quantile(1 - outermost)
            spans.append((float(low) / near, float(high) * far))
    if not spans:
        raise InputError(
            f"{scene.names[view]} has neither measured points nor depth: densifying needs to know "
            "between which depths to look"
        )
    nearest, farthest = min(span[0] for span in spans), max(span[1] for span in spans)
    if len(measured) >= _ENOUGH_POINTS:
        nearest, farthest = max(nearest, spans[0][0] / 1.5), min(farthest, spans[0][1] * 1.5)
    return 1 / farthest, 1 / nearest


def plan_planes(
    reference: SweepView,
    sources: list[SweepView],
    span: tuple[float, float],
    num_planes: tuple[int, int],
) -> Float[Tensor, " planes"]:
    """Inverse depths a pixel apart in the source that moves most, within ``num_planes``."""
    lowest, highest = span
    middle = reference.grey.new_tensor([0.95, 1.05])[:, None, None] * (lowest + highest) / 2
    rate = 0.0
    for source in sources:
        grid, _ = warp_between(reference, source).grid(middle)
        pixels = (grid[1] - grid[0]) * grid.new_tensor([source.size[1], source.size[0]]) / 2
        moved = pixels.norm(dim=-1).median() / (0.05 * (lowest + highest))
        rate = max(rate, float(moved))
    count = min(max(round(rate * (highest - lowest)) + 1, num_planes[0]), num_planes[1])
    return torch.linspace(lowest, highest, count)
