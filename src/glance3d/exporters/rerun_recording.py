"""``scene.rrd``: a recording for the rerun viewer (https://rerun.io).

Entities: ``world/points`` and ``world/measured_points``; every view ``world/cameras/NAME`` is a
pinhole with its pose, its photo and its depth, logged once on the timeline ``view`` (its number)
and, where the photos come from one clip, on ``clip`` (its time). ``world`` has the view coordinates
that put the scene upright. Photos and depth are on the depth maps' grid with the intrinsics of that
grid, which keeps a recording small; lens distortion, which rerun's pinhole lacks, is left out.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from glance3d.errors import MissingExtraError
from glance3d.exporters.cameras.trajectory import view_times
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.points.point_cloud import PointCloud, has_points, select_points
from glance3d.exporters.presentation import jpeg_bytes, up_direction
from glance3d.exporters.world_text import describe_units, describe_world
from glance3d.files.atomic import save_bytes
from glance3d.geometry.filter import usable_depth
from glance3d.geometry.transforms import invert
from glance3d.images.clips import seconds_of
from glance3d.types import Reconstruction

DEFAULT_MAX_POINTS = 1_000_000


def write_rerun(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the recording. Raises ``MissingExtraError`` where rerun is not installed."""
    try:
        import rerun
    except ImportError as error:
        raise MissingExtraError("writing a rerun recording", "rerun-sdk", "rerun") from error

    cloud = None
    if has_points(scene):
        budget = options.max_points or DEFAULT_MAX_POINTS
        cloud = select_points(scene, options.percentile, budget, options.measured_only)
    recording = rerun.RecordingStream("glance3d")
    # In memory first: what rerun's own thread cannot write, it does not tell.
    stream = recording.binary_stream()
    _log_world(rerun, recording, scene, cloud)
    _log_views(rerun, recording, scene)
    save_bytes(path, stream.read() or b"")
    recording.disconnect()
    return WriteResult((path,))


def _log_world(rerun: Any, recording: Any, scene: Reconstruction, cloud: PointCloud | None) -> None:
    up = up_direction(scene)
    axis = int(up.abs().argmax())
    letters = "XYZ"[axis], "UP" if up[axis] > 0 else "DOWN"
    upright = getattr(rerun.ViewCoordinates, f"RIGHT_HAND_{letters[0]}_{letters[1]}")
    recording.log("world", upright, static=True)
    world = describe_world(scene.world, scene.names[scene.reference_view])
    text = f"World: {world}; {describe_units(scene.units)}. Model: {scene.model or 'unknown'}."
    recording.log("about", rerun.TextDocument(text), static=True)
    if cloud is not None:
        points = rerun.Points3D(cloud.points_world.numpy(), colors=cloud.colors.numpy())
        recording.log("world/points", points, static=True)
    if scene.sparse is not None and len(scene.sparse):
        sparse = rerun.Points3D(
            scene.sparse.points_world.float().numpy(), colors=scene.sparse.colors.numpy()
        )
        recording.log("world/measured_points", sparse, static=True)


def _log_views(rerun: Any, recording: Any, scene: Reconstruction) -> None:
    on_grid = scene.cameras.on_grid(scene.placements)
    world_from_cam = invert(scene.cameras.cam_from_world.double()).numpy()
    times, meaning = view_times(scene)
    of_clip = all(seconds_of(source) is not None for source in scene.sources)
    height, width = scene.mask.shape[-2:]
    for view, name in enumerate(scene.names):
        recording.set_time("view", sequence=view)
        if of_clip and meaning.startswith("seconds"):
            recording.set_time("clip", duration=times[view])
        entity = f"world/cameras/{rerun.escape_entity_path_part(name)}"
        pose = world_from_cam[view]
        recording.log(entity, rerun.Transform3D(translation=pose[:, 3], mat3x3=pose[:, :3]))
        pinhole = rerun.Pinhole(
            image_from_camera=on_grid.intrinsics[view].numpy(),
            resolution=[width, height],
            camera_xyz=rerun.ViewCoordinates.RDF,
        )
        recording.log(entity, pinhole)
        _log_pictures(rerun, recording, scene, view, entity)


def _log_pictures(
    rerun: Any, recording: Any, scene: Reconstruction, view: int, entity: str
) -> None:
    photo = jpeg_bytes(Image.fromarray(scene.colors[view].numpy()), quality=90)
    recording.log(f"{entity}/photo", rerun.EncodedImage(contents=photo, media_type="image/jpeg"))
    if scene.depth is None:
        return
    known = scene.mask[view] & usable_depth(scene.depth[view])
    depth = torch.where(known, scene.depth[view], 0.0).numpy().astype(np.float32)
    recording.log(f"{entity}/depth", rerun.DepthImage(depth, meter=1.0))
