"""New photos for a scene that is already there."""

from glance3d.incremental.extend import add_photos, extend_scene, held_cameras

__all__ = ["add_photos", "extend_scene", "held_cameras"]
