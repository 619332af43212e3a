"""New photos for a scene that is already there."""

from glance3d.incremental.extend import add_photos, held_cameras

__all__ = ["add_photos", "held_cameras"]
