"""A camera as nine numbers, as VGGT predicts it (section 3.3); the usual ones in this library.

Convention: translation (3) and quaternion x y z w (4, of any length) of ``cam_from_world``, then
the vertical and the horizontal field of view in radians. VGGT's world is the first camera's
frame. Depth Anything 3 has nine numbers of its own (:mod:`glance3d.models.da3.pose_encoding`).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import intrinsics_from_fov
from glance3d.geometry.rotations import quat_xyzw_from_rotation, rotation_from_quat_xyzw

POSE_DIM = 9
#: At the origin, not turned, with fields of view of one radian.
PLAIN_CAMERA = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0)


def decode_pose(
    pose_enc: Float[Tensor, "*batch 9"], height: int, width: int
) -> tuple[Float[Tensor, "*batch 3 4"], Float[Tensor, "*batch 3 3"]]:
    """``cam_from_world`` and pinhole intrinsics for an image of ``height`` x ``width`` pixels."""
    rotation = rotation_from_quat_xyzw(pose_enc[..., 3:7])
    cam_from_world = torch.cat([rotation, pose_enc[..., :3, None]], dim=-1)
    intrinsics = intrinsics_from_fov(pose_enc[..., 7], pose_enc[..., 8], height, width)
    return cam_from_world, intrinsics


def encode_pose(
    cam_from_world: Float[Tensor, "*batch 3 4"],
    intrinsics: Float[Tensor, "*batch 3 3"],
    height: int,
    width: int,
) -> Float[Tensor, "*batch 9"]:
    """The inverse of :func:`decode_pose`, with a unit quaternion whose w is not negative.

    The principal point is not encoded: the field of view is that of a centred camera with the
    same focal lengths.
    """
    quat_xyzw = quat_xyzw_from_rotation(cam_from_world[..., :3])
    quat_xyzw = torch.where(quat_xyzw[..., 3:] < 0, -quat_xyzw, quat_xyzw)
    fov_y = 2 * torch.atan(height / 2 / intrinsics[..., 1, 1])
    fov_x = 2 * torch.atan(width / 2 / intrinsics[..., 0, 0])
    fov = torch.stack([fov_y, fov_x], -1)
    return torch.cat([cam_from_world[..., 3], quat_xyzw, fov], dim=-1)
