"""Points tracked by depth and cameras: unprojected to the world, projected into other photos."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_rays, project_points
from glance3d.geometry.filter import usable_depth
from glance3d.geometry.transforms import invert, transform_points
from glance3d.tracking.point_tracker import TrackedPoints
from glance3d.types import Reconstruction


class GeometryTracker:
    """As accurate as the scene's cameras and depth, for static scenes.

    ``visibility`` is ``2 ** -(e / AGREES_WITHIN)``, where ``e`` is by how much of its depth the
    point differs from the other view's depth map: 0.5 at that difference, whether the point is
    hidden behind the surface there or floats before it; 0 outside the photo. ``confidence`` is the
    share of the query's photo whose depth is less certain than the query's (1 without confidence).
    """

    AGREES_WITHIN = 0.05

    def __init__(self, scene: Reconstruction) -> None:
        if scene.depth is None:
            raise InputError(
                "tracking points by geometry needs depth, and this scene has none: track them by "
                "network or by matching"
            )
        self._scene = scene
        self._depth = torch.where(scene.mask, scene.depth, 0.0).double()

    def track(
        self, view: int, pixels_original: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> TrackedPoints:
        """See :class:`~glance3d.tracking.point_tracker.PointTracker`; NaN without a known depth."""
        cameras, pixels = self._scene.cameras, pixels_original.double()
        y, x = self._cells(view, pixels)
        depth = self._depth[view, y, x]
        depth = torch.where(usable_depth(depth), depth, torch.nan)
        rays = camera_rays(pixels, cameras.intrinsics[view].double(), self._radial(view))
        world_from_cam = invert(cameras.cam_from_world[view].double())
        points = transform_points(world_from_cam, rays * depth[:, None])
        projected = [self._project(target, points) for target in targets]
        nothing = torch.zeros(0, len(pixels))
        return TrackedPoints(
            torch.stack([p for p, _ in projected]) if projected else torch.zeros(0, len(pixels), 2),
            torch.stack([v for _, v in projected]) if projected else nothing,
            self._confidence(view, y, x).expand(len(targets), -1),
        )

    def _project(
        self, target: int, points: Float[Tensor, "queries 3"]
    ) -> tuple[Float[Tensor, "queries 2"], Float[Tensor, " queries"]]:
        """Pixels of world points in a photo, NaN behind its camera, and their visibility."""
        cameras = self._scene.cameras
        pixels, depth = project_points(
            points,
            cameras.cam_from_world[target].double(),
            cameras.intrinsics[target].double(),
            self._radial(target),
        )
        pixels = torch.where(depth[:, None] > 0, pixels, torch.nan)
        y, x = self._cells(target, pixels)
        surface = self._depth[target, y, x]
        difference = (surface - depth).abs() / depth
        seen = self._scene.placements[target].shows(pixels) & usable_depth(surface)
        visibility = torch.where(seen, torch.exp2(-difference / self.AGREES_WITHIN), 0.0)
        return pixels.float(), visibility.float()

    def _cells(self, view: int, pixels_original: Float[Tensor, "queries 2"]) -> tuple[Tensor, ...]:
        """Row and column of the depth map's pixel that each pixel lies on, or the nearest one."""
        height, width = self._depth.shape[-2:]
        known = torch.nan_to_num(pixels_original, nan=0.0, posinf=0.0, neginf=0.0)
        x, y = self._scene.placements[view].to_processed(known).floor().unbind(-1)
        return y.clamp(0, height - 1).long(), x.clamp(0, width - 1).long()

    def _radial(self, view: int) -> Float[Tensor, ""] | None:
        radial = self._scene.cameras.radial
        return None if radial is None else radial[view].double()

    def _confidence(self, view: int, y: Tensor, x: Tensor) -> Float[Tensor, " queries"]:
        if self._scene.confidence is None:
            return torch.ones(len(y))
        everywhere = self._scene.confidence[view][self._scene.mask[view]].sort().values
        below = torch.searchsorted(everywhere, self._scene.confidence[view, y, x])
        return below / max(len(everywhere), 1)
