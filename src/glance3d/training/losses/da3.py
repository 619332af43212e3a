"""Losses of a Depth Anything 3: cameras, depth and rays from one pass.

Source: Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647), section 3.3. Its world is any, and
which view it tells the others from is its own choice, while targets are in the frame of each
scene's first camera. Hence predicted cameras are compared relative to the first one, and rays with
those of the true cameras placed where the network sees that first one.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.datasets import MultiViewSample
from glance3d.errors import InputError
from glance3d.geometry.pose_encoding import encode_pose
from glance3d.geometry.transforms import compose
from glance3d.models.config import Output
from glance3d.models.da3 import DA3
from glance3d.nn.precision import autocast
from glance3d.training.config import TrainConfig
from glance3d.training.losses.normalise import (
    Targets,
    cameras_relative_to_first,
    normalise_scenes,
)
from glance3d.training.losses.rays import ray_loss, ray_targets
from glance3d.training.losses.scene import Losses, LossWeights, camera_loss, depth_loss
from glance3d.types import Predictions

_OUTPUTS: dict[str, tuple[Output, ...]] = {
    "camera": ("camera",),
    "depth": ("depth",),
    "rays": ("camera", "rays"),  # cameras tell the world of the rays
}


def da3_losses(
    model: DA3, sample: MultiViewSample, config: TrainConfig, weights: LossWeights
) -> Losses:
    """The losses that have a weight; those of depth and rays on the first ``dense_views`` views.

    Raises:
        InputError: a loss has a weight that this network has no head for.
    """
    strange = [name for name in weights.active if name not in _OUTPUTS]
    if strange:
        raise InputError(
            f"the losses of {model.config.name} must be of {', '.join(_OUTPUTS)}, got "
            f"{', '.join(strange)}: set the weights of the others to 0"
        )
    outputs = dict.fromkeys(output for name in weights.active for output in _OUTPUTS[name])
    predicted = model(sample.images, outputs=tuple(outputs))
    with autocast(sample.images, enabled=False):
        return _compare(predicted, sample, config, weights)


def _compare(
    predicted: Predictions,
    sample: MultiViewSample,
    config: TrainConfig,
    weights: LossWeights,
) -> Losses:
    targets = normalise_scenes(sample.cam_from_world, sample.intrinsics, sample.depth, sample.valid)
    views = slice(config.dense_views)
    losses: Losses = {}
    if weights.camera > 0:
        losses |= _camera(predicted, targets)
    if weights.depth > 0 and predicted.depth is not None and predicted.depth_conf is not None:
        both = predicted.depth[:, views], predicted.depth_conf[:, views]
        true = targets.depth[:, views], targets.valid[:, views]
        losses |= depth_loss(*both, *true, config.log_depth)
    if weights.rays > 0 and predicted.ray is not None and predicted.ray_conf is not None:
        rays = _true_rays(predicted, targets, sample.intrinsics)
        losses |= ray_loss(predicted.ray[:, views], predicted.ray_conf[:, views], rays[:, views])
    return losses


def _camera(predicted: Predictions, targets: Targets) -> Losses:
    cam_from_world, intrinsics = predicted.cameras()
    relative = cameras_relative_to_first(cam_from_world)
    pose_enc = encode_pose(relative, intrinsics, *predicted.image_size)
    target, compared = targets.pose_enc, targets.at_true_scale(pose_enc)
    return camera_loss(on_the_side_of(target, compared)[None], target)


def _true_rays(
    predicted: Predictions, targets: Targets, intrinsics: Float[Tensor, "batch views 3 3"]
) -> Float[Tensor, "batch views rows columns 6"]:
    """In the network's world. No gradient: that of so many rays would drown the cameras' own."""
    assert predicted.ray is not None
    grid = (predicted.ray.shape[2], predicted.ray.shape[3])
    first_from_world = predicted.cameras()[0][:, :1].detach()
    cameras = compose(targets.cam_from_world, first_from_world)
    return ray_targets(cameras, intrinsics, predicted.image_size, grid)


def on_the_side_of(
    target: Float[Tensor, "batch views 9"], pose_enc: Float[Tensor, "batch views 9"]
) -> Float[Tensor, "batch views 9"]:
    """The same cameras; of the two quaternions of a rotation, the one nearer to the target's.

    A rule on the prediction alone (w >= 0) would make the loss jump where a rotation passes a half
    turn. This one turns only where it is a half turn from the target, both being as far from it.
    """
    quat_xyzw = pose_enc[..., 3:7]
    opposite = (quat_xyzw * target[..., 3:7]).sum(-1, keepdim=True) < 0
    quat_xyzw = torch.where(opposite, -quat_xyzw, quat_xyzw)
    return torch.cat([pose_enc[..., :3], quat_xyzw, pose_enc[..., 7:]], -1)
