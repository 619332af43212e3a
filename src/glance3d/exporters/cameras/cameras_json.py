"""A scene's cameras as ``cameras.json`` (:mod:`glance3d.formats.cameras_json`)."""

from pathlib import Path

from glance3d.exporters.maps.depth_png import DEPTH_FOLDER, depth_scale, has_depth_pngs
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.photos import photos_folder
from glance3d.exporters.world_text import describe_world, world_axes
from glance3d.formats.cameras_json import CamerasFile, CamerasFileView, write_cameras_file
from glance3d.images.naming.file_names import depth_file_names, photo_file_names
from glance3d.types import Reconstruction


def write_cameras_json(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write every camera; needs neither depth nor points."""
    with_depth = has_depth_pngs(scene, path.parent, options)
    folder = photos_folder(scene, options.final(path.parent)).name
    images = [f"{folder}/{name}" for name in photo_file_names(scene)]
    depth_maps = [f"{DEPTH_FOLDER}/{name}" for name in depth_file_names(scene)]
    cameras = scene.cameras
    intrinsics, poses = cameras.intrinsics.double(), cameras.cam_from_world.double()
    views = tuple(
        CamerasFileView(
            image=images[view],
            source=scene.sources[view],
            size=scene.placements[view].original_size,
            intrinsics=intrinsics[view],
            cam_from_world=poses[view],
            radial=None if cameras.radial is None else float(cameras.radial[view]),
            camera_id=None if cameras.camera_ids is None else int(cameras.camera_ids[view]),
            depth=depth_maps[view] if with_depth else None,
        )
        for view in range(scene.num_views)
    )
    file = CamerasFile(
        name=options.final(path).resolve().parent.name,
        about=f"cameras by Glance3D with the model {scene.model or 'unknown'}",
        world=scene.world,
        world_is=describe_world(scene.world, images[scene.reference_view]),
        world_axes=world_axes(scene.world),
        units=scene.units,
        metric=scene.units != "arbitrary",
        depth_scale=depth_scale(scene) if with_depth else None,
        views=views,
    )
    return WriteResult((write_cameras_file(path, file),))
