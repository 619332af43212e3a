"""A KITTI trajectory: the pose of the camera in the world as 3x4, row by row, a line a photo.

Written only: without time stamps or names it does not say whose poses they are. Source: the
odometry benchmark (Geiger et al., "Are we ready for autonomous driving?", CVPR 2012).
"""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from glance3d.files.atomic import save_bytes


def write_kitti_trajectory(path: Path, world_from_cam: Float[Tensor, "views 3 4"]) -> Path:
    """Write one line a pose, OpenCV axes; the format has no room for comments."""
    rows = world_from_cam.flatten(1).tolist()
    lines = [" ".join(f"{value:.9e}" for value in row) for row in rows]
    return save_bytes(path, ("\n".join(lines) + "\n").encode())
