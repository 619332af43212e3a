"""Adding new photos to an existing scene."""

from glance3d.incremental.extend import add_photos, extend_scene, held_cameras

__all__ = ["add_photos", "extend_scene", "held_cameras"]
