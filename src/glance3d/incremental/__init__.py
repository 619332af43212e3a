"""New photos and an existing scene: added to it, or only located in it."""

from glance3d.incremental.extend import add_photos, extend_scene, held_cameras
from glance3d.incremental.locating.locate import locate, locate_in_scene
from glance3d.incremental.locating.located_photo import LocatedPhoto

__all__ = [
    "LocatedPhoto",
    "add_photos",
    "extend_scene",
    "held_cameras",
    "locate",
    "locate_in_scene",
]
