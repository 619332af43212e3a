"""Trajectories: where the cameras were, for the tools of robotics.

``trajectory.tum`` (:mod:`glance3d.formats.tum`): time stamps are the seconds of a single clip's
frames; else the photos' times (Unix seconds), where every photo has one of its own; else the
photos' numbers. A comment says which. ``trajectory.kitti`` (:mod:`glance3d.formats.kitti`): one
line a photo in the scene's order.

Camera axes are OpenCV's in both; lengths and world are the scene's.
"""

from datetime import datetime
from pathlib import Path

from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.world_text import describe_units, describe_world
from glance3d.formats.kitti import write_kitti_trajectory
from glance3d.formats.tum import TumPose, write_tum_trajectory
from glance3d.geometry.rotations import quat_xyzw_from_rotation
from glance3d.geometry.transforms import invert
from glance3d.images.clips import seconds_of, split_frame
from glance3d.known_cameras.matching.time_stamps import match_times, seconds_in_name
from glance3d.types import Reconstruction


def write_tum(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write one line a view, after comments that say what the numbers are."""
    times, meaning = view_times(scene)
    world = describe_world(scene.world, scene.names[scene.reference_view])
    world_from_cam = invert(scene.cameras.cam_from_world.double())
    quats_xyzw = quat_xyzw_from_rotation(world_from_cam[:, :, :3])
    poses = [
        TumPose(time, tuple(position), tuple(quat_xyzw))
        for time, position, quat_xyzw in zip(
            times, world_from_cam[:, :, 3].tolist(), quats_xyzw.tolist(), strict=True
        )
    ]
    comments = (
        "timestamp tx ty tz qx qy qz qw: the camera in the world, OpenCV axes",
        f"time stamps: {meaning}",
        f"world: {' '.join(world.split())}; {describe_units(scene.units)}",
    )
    return WriteResult((write_tum_trajectory(path, poses, comments),))


def write_kitti(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write one line a view."""
    world_from_cam = invert(scene.cameras.cam_from_world.double())
    return WriteResult((write_kitti_trajectory(path, world_from_cam),))


def view_times(scene: Reconstruction) -> tuple[list[float], str]:
    """A time stamp for each view, all different, and what they are."""
    frames = [split_frame(Path(source)) for source in scene.sources]
    clips = {frame[0] for frame in frames if frame is not None}
    if None not in frames and len(clips) == 1:
        seconds = [seconds_of(source) or 0.0 for source in scene.sources]
        return seconds, f"seconds in {next(iter(clips)).name}"
    taken = [_unix_seconds(metadata.taken) for metadata in scene.metadata]
    known = [time for time in taken if time is not None]
    if len(known) == scene.num_views and len(set(known)) == len(known):
        return known, "Unix seconds at which the photos were taken"
    numbers = [float(view) for view in range(scene.num_views)]
    # A reader goes by the numbers in the photos' names where all are among the stamps, in whatever
    # order: then they are the stamps.
    if match_times(scene.names, numbers, "")[0] != list(range(scene.num_views)):
        in_names = [seconds_in_name(name) for name in scene.names]
        return [number or 0.0 for number in in_names], "numbers in the photos' names"
    return numbers, "numbers of the photos, from 0"


def _unix_seconds(taken: str | None) -> float | None:
    try:
        return None if taken is None else datetime.fromisoformat(taken).timestamp()
    except ValueError:
        return None
