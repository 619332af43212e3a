"""The scale and frame of training targets (VGGT, section 3.4).

The world is the first camera's frame, and every length is divided by the mean distance of all valid
points to the origin. A similarity transform of the true world therefore changes no target. The
network's outputs are not normalised: it must learn this normalisation.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.cameras import unproject_depth
from glance3d.geometry.pose_encoding import encode_pose
from glance3d.geometry.transforms import compose, invert

# Of the translations in a file's world: what is shorter is no motion, but rounding.
_ROUNDING = 1e-6
# Translations of a scene that are shorter together are taught to grow: they have no direction yet.
_SHORTEST = 0.05


@dataclass(frozen=True)
class Targets:
    """The outputs that a network should give for a batch of scenes.

    ``pose_enc`` is VGGT's encoding of ``cam_from_world``, without the principal point.
    ``depth`` and ``points_world`` are 0 where ``valid`` is False. ``scale`` is what the true
    lengths were divided by: the mean distance of points; of scenes without any depth, which
    ``has_scale`` is False for, the length of all translations together.
    """

    cam_from_world: Float[Tensor, "batch views 3 4"]
    pose_enc: Float[Tensor, "batch views 9"]
    depth: Float[Tensor, "batch views height width"]
    points_world: Float[Tensor, "batch views height width 3"]
    valid: Bool[Tensor, "batch views height width"]
    scale: Float[Tensor, "batch"]
    has_scale: Bool[Tensor, "batch"]

    def at_true_scale(
        self, pose_enc: Float[Tensor, "*iterations batch views 9"]
    ) -> Float[Tensor, "*iterations batch views 9"]:
        """Predicted cameras; where lengths have no scale, with translations as long as the true.

        Their lengths together, that is: nothing says how far apart the cameras of such a scene
        should be. The length has a gradient, so that only directions and proportions are taught
        and predicted lengths stay what they are.
        """
        moved = pose_enc[..., :3].float()
        length = torch.linalg.vector_norm(moved, dim=(-2, -1), keepdim=True)
        divisor = torch.where(self.has_scale[:, None, None], 1.0, length.clamp(min=_SHORTEST))
        return torch.cat([moved / divisor, pose_enc[..., 3:].float()], -1)


def cameras_relative_to_first(
    cam_from_world: Float[Tensor, "batch views 3 4"],
) -> Float[Tensor, "batch views 3 4"]:
    """The same cameras, in a world that is the first camera's frame."""
    return compose(cam_from_world, invert(cam_from_world[:, :1]))


def mean_distance(
    points: Float[Tensor, "batch views height width 3"],
    valid: Bool[Tensor, "batch views height width"],
) -> Float[Tensor, "batch"]:
    """Mean distance of each scene's valid points to the origin; 1 for a scene that has none."""
    distance = torch.where(valid, points.norm(dim=-1), 0.0).flatten(1).sum(1)
    count = valid.flatten(1).sum(1)
    mean = distance / count.clamp(min=1)
    return torch.where(mean > 0, mean, torch.ones_like(mean))


@torch.no_grad()
def normalise_scenes(
    cam_from_world: Float[Tensor, "batch views 3 4"],
    intrinsics: Float[Tensor, "batch views 3 3"],
    depth: Float[Tensor, "batch views height width"],
    valid: Bool[Tensor, "batch views height width"],
) -> Targets:
    """Training targets of a batch of scenes, in float32.

    Pixels whose depth is not a positive, finite number are taken as invalid.
    """
    valid = valid & torch.isfinite(depth) & (depth > 0)
    depth = torch.where(valid, depth, 0.0).float()
    intrinsics = intrinsics.float()
    # In float64: with a world origin far from the cameras float32 would lose digits.
    cameras = cameras_relative_to_first(cam_from_world.double()).float()
    points = torch.where(valid[..., None], unproject_depth(depth, cameras, intrinsics), 0.0)
    has_scale = valid.flatten(1).any(1)
    length = torch.linalg.vector_norm(cameras[..., 3], dim=(1, 2))
    rounding = _ROUNDING * torch.linalg.vector_norm(cam_from_world[..., 3].float(), dim=(1, 2))
    known = torch.where(length > rounding, length, torch.ones_like(length))
    scale = torch.where(has_scale, mean_distance(points, valid), known)
    cameras = torch.cat([cameras[..., :3], cameras[..., 3:] / scale[:, None, None, None]], -1)
    height, width = depth.shape[-2:]
    return Targets(
        cam_from_world=cameras,
        pose_enc=encode_pose(cameras, intrinsics, height, width),
        depth=depth / scale[:, None, None, None],
        points_world=points / scale[:, None, None, None, None],
        valid=valid,
        scale=scale,
        has_scale=has_scale,
    )
