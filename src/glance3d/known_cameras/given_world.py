"""A scene whose cameras were given to the network: they are its cameras, their world its world."""

from dataclasses import replace

from glance3d.geometry.cameras import unproject_depth
from glance3d.known_cameras.views import KnownViews
from glance3d.types import Cameras, Reconstruction


def in_given_world(
    scene: Reconstruction, cameras: Cameras, views: KnownViews, *, has_scale: bool
) -> Reconstruction:
    """The scene with exactly these cameras (of the original photos), and points made anew.

    ``views`` say whose world it is. Without a scale depth is in a unit of the network's own, and
    the scene in no unit that anybody knows.
    """
    cameras = replace(
        cameras,
        cam_from_world=cameras.cam_from_world.float(),
        intrinsics=cameras.intrinsics.float(),
        radial=None if cameras.radial is None else cameras.radial.float(),
    )
    points = scene.points_world
    if scene.depth is not None:
        grid = cameras.on_grid(scene.placements)
        points = unproject_depth(
            scene.depth, grid.cam_from_world, grid.intrinsics, radial=grid.radial
        )
    return replace(
        scene,
        cameras=cameras,
        points_world=points,
        world=views.world,
        units=views.units if has_scale else "arbitrary",
    )
