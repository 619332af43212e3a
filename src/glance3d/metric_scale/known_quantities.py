"""What a person knows of a scene's cameras and size, before there is a scene, and a scene by it."""

from dataclasses import dataclass, replace

from glance3d.known_cameras import (
    KnownCameras,
    KnownViews,
    match_known_cameras,
    measure_disagreement,
    settle_by_poses,
)
from glance3d.metric_scale.apply import apply_metric_scale
from glance3d.metric_scale.constraints import (
    KnownDepth,
    KnownDepthMap,
    KnownDistance,
    KnownPoses,
    MetricConstraints,
)
from glance3d.types import Reconstruction


@dataclass(frozen=True)
class KnownQuantities:
    """Known cameras, and what gives lengths in metres; false where nothing is known."""

    cameras: KnownCameras | None = None
    gps: bool = False
    distances: tuple[KnownDistance, ...] = ()
    depths: tuple[KnownDepth | KnownDepthMap, ...] = ()

    def __bool__(self) -> bool:
        return self.cameras is not None or self.gps or bool(self.distances or self.depths)

    def known_views(self, scene: Reconstruction) -> KnownViews | None:
        """What is known of the scene's own photos."""
        if self.cameras is None:
            return None
        return settle_by_poses(match_known_cameras(self.cameras, scene), scene)

    def constraints_for(self, scene: Reconstruction) -> MetricConstraints:
        """What ``apply_metric_scale`` takes."""
        views = self.known_views(scene)
        has_poses = views is not None and bool(views.has_pose.any())
        return MetricConstraints(
            poses=KnownPoses(views.cam_from_world, views.world, views.units)
            if views is not None and has_poses
            else None,
            gps=self.gps,
            distances=self.distances,
            depths=self.depths,
        )


def in_metres(scene: Reconstruction, quantities: KnownQuantities) -> Reconstruction:
    """The scene by what is known, its report saying also which known cameras contradict it.

    What says nothing of size or place, intrinsics alone, changes nothing.
    """
    constraints = quantities.constraints_for(scene)
    if not constraints:
        return scene
    views = quantities.known_views(scene)
    moved = apply_metric_scale(scene, constraints)
    if views is None:
        return moved
    described = views.describe()
    if views.has_pose.any():
        estimated = scene.cameras.cam_from_world
        disagreement = measure_disagreement(scene.names, views.cam_from_world, estimated)
        described["disagreement"] = disagreement.describe()
    return replace(moved, report=replace(moved.report, known_cameras=described))
