"""New photos for a scene that is already there."""

from glance3d.additions.add import add_photos, held_cameras

__all__ = ["add_photos", "held_cameras"]
