"""The cameras of a scene as the page draws them, and where it looks from at first."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.exporters.options import DEFAULT_PERCENTILE
from glance3d.exporters.points.frusta import frustum_size
from glance3d.exporters.points.point_cloud import has_points, select_points
from glance3d.exporters.points.sparse_points import radial_of
from glance3d.geometry.cameras import camera_rays, project_points
from glance3d.geometry.filter import spread_sample
from glance3d.geometry.transforms import invert
from glance3d.types import Reconstruction

_SAMPLED = 5000
_DIGITS = 5
_NEARLY_AS_MUCH = 0.85


def describe_cameras(
    scene: Reconstruction, upright: Float[Tensor, "3 3"], points: Float[Tensor, "points 3"]
) -> dict[str, Any]:
    """Positions and the rays through the photos' corners, in the upright frame; JSON-ready.

    ``points`` are some of the scene's, in the world. ``distance`` is the median depth of the
    points in a photo.
    """
    shown = _seen_depths(scene, points)
    views = []
    for view in range(scene.num_views):
        world_from_cam = invert(scene.cameras.cam_from_world[view].double())
        turned = upright.double() @ world_from_cam
        corners = _corner_rays(scene, view) @ turned[:, :3].T
        views.append(
            {
                "position": _rounded(turned[:, 3]),
                "forward": _rounded(turned[:, 2]),
                "corners": _rounded(corners.flatten()),
                "distance": _rounded(shown[view][0]),
            }
        )
    return {
        "views": views,
        "size": frustum_size(scene.cameras.centers.double(), points.double()),
        "start": _most_telling(scene, [num_seen for _, num_seen in shown]),
    }


def some_points(scene: Reconstruction) -> Float[Tensor, "points 3"]:
    """A few thousand points of the scene, for measuring how large it is; of any kind it has."""
    if has_points(scene):
        return select_points(scene, DEFAULT_PERCENTILE, _SAMPLED).points_world
    if scene.sparse is None:
        return torch.zeros(0, 3)
    return scene.sparse.points_world[spread_sample(len(scene.sparse), _SAMPLED)].float()


def _seen_depths(
    scene: Reconstruction, points: Float[Tensor, "points 3"]
) -> list[tuple[float, int]]:
    """Of each view: the median depth of the points in its frame, and how many those are."""
    depths = []
    for view in range(scene.num_views):
        pixels, depth = project_points(
            points.double(),
            scene.cameras.cam_from_world[view].double(),
            scene.cameras.intrinsics[view].double(),
        )
        size = pixels.new_tensor(scene.placements[view].original_size)
        visible = ((pixels > 0) & (pixels < size)).all(-1) & (depth > 0)
        distance = depth[visible].median().item() if bool(visible.any()) else 1.0
        depths.append((distance, int(visible.sum())))
    return depths


def _most_telling(scene: Reconstruction, num_seen: list[int]) -> int:
    """The most central of the photos that show nearly as many points as any other."""
    centers = scene.cameras.centers
    from_middle = (centers - centers.median(0).values).norm(dim=-1).tolist()
    enough = _NEARLY_AS_MUCH * max(num_seen)
    telling = [view for view, seen in enumerate(num_seen) if seen >= enough]
    return min(telling, key=lambda view: from_middle[view])


def _corner_rays(scene: Reconstruction, view: int) -> Float[Tensor, "4 3"]:
    """Through the photo's corners, clockwise from the top left, to depth 1; camera frame."""
    width, height = scene.placements[view].original_size
    corners = torch.tensor([[0, 0], [width, 0], [width, height], [0, height]], dtype=torch.float64)
    intrinsics = scene.cameras.intrinsics[view].double()
    rays = camera_rays(corners, intrinsics, radial_of(scene.cameras, view))
    return torch.where(rays.isfinite(), rays, camera_rays(corners, intrinsics))


def _rounded(values: Tensor | float) -> Any:
    """To five digits, which is finer than anything on a screen."""
    numbers = values.flatten().tolist() if isinstance(values, Tensor) else [values]
    rounded = [float(f"{number:.{_DIGITS}g}") for number in numbers]
    return rounded if isinstance(values, Tensor) else rounded[0]
