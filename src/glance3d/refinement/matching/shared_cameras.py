"""Which photos of a scene were taken by one physical camera."""

from glance3d.images.physical_cameras import physical_camera_ids
from glance3d.types import Reconstruction


def shared_camera_ids(scene: Reconstruction, camera: str = "auto") -> list[int]:
    """A number a photo; the same number says the same camera (:func:`physical_camera_ids`)."""
    return physical_camera_ids(scene.placements, scene.metadata, scene.sources, camera)
