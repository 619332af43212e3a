"""The poses of a TUM trajectory (:mod:`glance3d.formats.tum`), known by their time stamps."""

from pathlib import Path

import torch

from glance3d.formats.tum import TumPose, read_tum_trajectory
from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.geometry.transforms import invert
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras


def read_tum(path: Path) -> KnownCameras:
    """The poses of a trajectory. Raises ``CamerasError`` that names the line which is wrong."""
    cameras = tuple(map(_camera, read_tum_trajectory(path)))
    return KnownCameras(str(path), "TUM trajectory", cameras, world=path.name)


def _camera(pose: TumPose) -> KnownCamera:
    quat_xyzw = torch.tensor(pose.quat_xyzw, dtype=torch.float64)
    # Before it is squared, so that neither tiny nor huge quaternions lose their direction.
    rotation = rotation_from_quat_xyzw(quat_xyzw / quat_xyzw.abs().max())
    world_from_cam = torch.cat([rotation, quat_xyzw.new_tensor(pose.position)[:, None]], -1)
    return KnownCamera(name=None, cam_from_world=invert(world_from_cam), time=pose.time)
