"""A camera as nine numbers, as Depth Anything 3 predicts and reads it.

Convention: the centre (3) and the quaternion x y z w (4, of any length) of ``world_from_cam``, then
the vertical and the horizontal field of view in radians. VGGT's nine numbers
(:mod:`glance3d.geometry.pose_encoding`) are those of the inverse pose.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry import pose_encoding
from glance3d.geometry.cameras import intrinsics_from_tangents
from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.geometry.transforms import invert

_LEAST_TANGENT = 1e-6  # of half a field of view, which the network may say is 0


def decode_pose(
    pose_enc: Float[Tensor, "*batch 9"], height: int, width: int
) -> tuple[Float[Tensor, "*batch 3 4"], Float[Tensor, "*batch 3 3"]]:
    """``cam_from_world`` and pinhole intrinsics for an image of ``height`` x ``width`` pixels."""
    rotation = rotation_from_quat_xyzw(pose_enc[..., 3:7])
    cam_from_world = invert(torch.cat([rotation, pose_enc[..., :3, None]], dim=-1))
    tangent_y, tangent_x = torch.tan(pose_enc[..., 7:] / 2).clamp(min=_LEAST_TANGENT).unbind(-1)
    return cam_from_world, intrinsics_from_tangents(tangent_y, tangent_x, height, width)


def encode_pose(
    cam_from_world: Float[Tensor, "*batch 3 4"],
    intrinsics: Float[Tensor, "*batch 3 3"],
    height: int,
    width: int,
) -> Float[Tensor, "*batch 9"]:
    """The inverse of :func:`decode_pose`, with a unit quaternion whose w is not negative.

    The principal point is not encoded.
    """
    return pose_encoding.encode_pose(invert(cam_from_world), intrinsics, height, width)
