"""Losses of one scene's outputs: cameras, depth, points, rays, tracks, and matching.

The sum is the paper's (VGGT, section 3.4), ``camera + depth + points + 0.05 track``, and one term
of our own: a contrastive loss between the track head's features at corresponding pixels, without
which a small network learns little more than where the floor is. Every loss is computed in float32,
whatever the network's precision, and is finite and differentiable where nothing is valid.
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.errors import ConfigError
from glance3d.nn.precision import autocast

Losses = dict[str, Tensor]  # named scalars


@dataclass(frozen=True)
class LossWeights:
    """The weight of each loss; with 0 neither it nor heads that only it needs are computed."""

    camera: float = 1.0
    depth: float = 1.0
    points: float = 1.0
    track: float = 0.05
    matching: float = 0.1
    descriptors: float = 0.0
    pairs: float = 0.0
    rays: float = 0.0

    def __post_init__(self) -> None:
        """Refuse negative weights, and weights that are all zero."""
        weights = {field.name: getattr(self, field.name) for field in fields(self)}
        if min(weights.values()) < 0 or max(weights.values()) == 0:
            raise ConfigError(f"loss weights must be >= 0 and one of them > 0, got {weights}")

    @classmethod
    def only(cls, **weights: float) -> "LossWeights":
        """These losses and no other."""
        return cls(**dict.fromkeys((field.name for field in fields(cls)), 0.0) | weights)

    @property
    def active(self) -> tuple[str, ...]:
        """The losses that count."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) > 0)


def camera_loss(
    pose_enc_iterations: Float[Tensor, "iterations batch views 9"],
    target: Float[Tensor, "batch views 9"],
    discount: float = 0.6,
    beta: float = 0.05,
) -> Losses:
    """Huber loss of the nine camera numbers over all iterations of the camera head.

    An iteration counts ``discount`` times the one after it; the weights sum to 1. Errors below
    ``beta`` count quadratically, larger ones linearly (slope 1). Translation, rotation and field of
    view are each averaged over their own numbers. ``camera_error`` is the loss of the last
    iteration alone, which is what the network says in the end.
    """
    prediction = pose_enc_iterations.float()
    target = _nearest_quaternion_sign(prediction[-1].detach(), target.float())
    error = F.smooth_l1_loss(prediction, target.expand_as(prediction), reduction="none", beta=beta)
    weights = _iteration_weights(len(prediction), discount, prediction)
    per_number = (weights[:, None, None, None] * error).sum(0)
    parts = {
        "camera_translation": per_number[..., :3].mean(),
        "camera_rotation": per_number[..., 3:7].mean(),
        "camera_fov": per_number[..., 7:].mean(),
    }
    total = sum(parts.values(), start=prediction.new_zeros(()))
    last = [part.mean() for part in error[-1].detach().split((3, 4, 2), -1)]
    return {"camera": total, "camera_error": torch.stack(last).sum(), **parts}


def _nearest_quaternion_sign(
    prediction: Float[Tensor, "batch views 9"], target: Float[Tensor, "batch views 9"]
) -> Float[Tensor, "batch views 9"]:
    """The target, its quaternion negated where that is nearer: q and -q are the same rotation.

    Targets have w >= 0, which decides the sign. Only for rotations near 180 degrees may the
    network choose it, so that its output need not jump between the two.
    """
    opposite = (prediction[..., 3:7] * target[..., 3:7]).sum(-1, keepdim=True) < 0
    flip = opposite & (target[..., 6:7] < 0.1)
    quat_xyzw = torch.where(flip, -target[..., 3:7], target[..., 3:7])
    return torch.cat([target[..., :3], quat_xyzw, target[..., 7:]], -1)


def _iteration_weights(count: int, discount: float, like: Tensor) -> Float[Tensor, "iterations"]:
    weights = discount ** torch.arange(count - 1, -1, -1, dtype=like.dtype, device=like.device)
    return weights / weights.sum()


def dense_loss(
    name: str,
    prediction: Float[Tensor, "batch views height width channels"],
    confidence: Float[Tensor, "batch views height width"],
    target: Float[Tensor, "batch views height width channels"],
    valid: Bool[Tensor, "batch views height width"],
    alpha: float = 0.2,
    gradient_scales: int = 3,
) -> Losses:
    """Confidence-weighted error and gradient error, less ``alpha * log(confidence)``.

    Errors are Euclidean lengths over the channels. The gradient error compares differences between
    pixels 1, 2, 4, ... apart, both ends valid. Each is averaged over the valid pixels (pairs) of
    the batch, and is 0 where there are none.
    """
    residual = torch.where(valid[..., None], prediction.float() - target.float(), 0.0)
    return _residual_loss(name, residual, confidence.float(), valid, alpha, gradient_scales)


def depth_loss(
    prediction: Float[Tensor, "batch views height width"],
    confidence: Float[Tensor, "batch views height width"],
    target: Float[Tensor, "batch views height width"],
    valid: Bool[Tensor, "batch views height width"],
    logarithms: bool,
) -> Losses:
    """:func:`log_depth_loss`, or :func:`dense_loss` of depth itself."""
    if logarithms:
        return log_depth_loss(prediction, confidence, target, valid)
    return dense_loss("depth", prediction[..., None], confidence, target[..., None], valid)


def log_depth_loss(
    prediction: Float[Tensor, "batch views height width"],
    confidence: Float[Tensor, "batch views height width"],
    target: Float[Tensor, "batch views height width"],
    valid: Bool[Tensor, "batch views height width"],
    alpha: float = 0.2,
    gradient_scales: int = 3,
    scale_weight: float = 0.1,
) -> Losses:
    """:func:`dense_loss` of the logarithms, after the factor that fits each scene best.

    The loss is about shape: the scale of a scene, which photos do not show, has the small weight
    ``scale_weight`` only (``depth_scale`` is the error of its logarithm). Relative errors count,
    near and far alike: the scale-invariant error of Eigen et al. 2014 (arXiv 1406.2283, section
    3.2).
    """
    logarithms = prediction.float().log(), torch.where(valid, target.float(), 1.0).log()
    residual = torch.where(valid, logarithms[0] - logarithms[1], 0.0)
    count = valid.flatten(1).sum(1)
    offset = residual.flatten(1).sum(1) / count.clamp(min=1)
    residual = torch.where(valid, residual - offset[:, None, None, None], 0.0)[..., None]
    losses = _residual_loss("depth", residual, confidence.float(), valid, alpha, gradient_scales)
    scale = _masked_mean(offset.abs(), count > 0)
    losses["depth"] = losses["depth"] + scale_weight * scale
    return {**losses, "depth_scale": scale.detach()}


def _residual_loss(
    name: str,
    residual: Float[Tensor, "batch views height width channels"],
    confidence: Float[Tensor, "batch views height width"],
    valid: Bool[Tensor, "batch views height width"],
    alpha: float,
    gradient_scales: int,
) -> Losses:
    """:func:`dense_loss` of residuals that are 0 where nothing is valid."""
    error = torch.linalg.vector_norm(residual, dim=-1)
    value = _masked_mean(confidence * error - alpha * torch.log(confidence), valid)
    gradient = residual.new_zeros(())
    for scale in range(gradient_scales):
        gradient = gradient + _gradient_error(residual, confidence, valid, 2**scale)
    gradient = gradient / max(gradient_scales, 1)
    return {
        name: value + gradient,
        f"{name}_error": _masked_mean(error, valid).detach(),
        f"{name}_gradient": gradient.detach(),
    }


def _gradient_error(
    residual: Float[Tensor, "batch views height width channels"],
    confidence: Float[Tensor, "batch views height width"],
    valid: Bool[Tensor, "batch views height width"],
    step: int,
) -> Float[Tensor, ""]:
    """Error of the gradients along x and y: the difference of residuals ``step`` pixels apart."""
    total = residual.new_zeros(())
    for dim in (-1, -2):
        if valid.shape[dim] <= step:
            continue
        size = valid.shape[dim] - step
        channel_dim = dim - 1  # residuals have one more axis at the end
        difference = residual.narrow(channel_dim, step, size) - residual.narrow(
            channel_dim, 0, size
        )
        both = valid.narrow(dim, step, size) & valid.narrow(dim, 0, size)
        weight = confidence.narrow(dim, 0, size)
        total = total + _masked_mean(weight * torch.linalg.vector_norm(difference, dim=-1), both)
    return total


def _masked_mean(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Tensor:
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)


def track_loss(
    tracks_iterations: Float[Tensor, "iterations batch views queries 2"],
    visibility_predicted: Float[Tensor, "batch views queries"],
    track_conf: Float[Tensor, "batch views queries"],
    tracks: Float[Tensor, "batch views queries 2"],
    visibility: Bool[Tensor, "batch views queries"],
    image_size: tuple[int, int],
    discount: float = 0.8,
    confident_within: float = 12 / 518,
) -> Losses:
    """L1 on the positions of visible points, cross-entropy on visibility and on confidence.

    Positions are divided by the image's longer side. The first view does not count for positions,
    since it holds the query itself. The target of the confidence is 1 where a point is visible and
    its last position is within ``confident_within`` longer sides of the truth, else 0.
    """
    longer = max(image_size)
    with autocast(tracks, enabled=False):
        target = torch.where(visibility[..., None], tracks.float(), 0.0) / longer
        predicted = tracks_iterations.float() / longer
        error = torch.where(visibility[..., None], predicted - target, 0.0).abs().sum(-1)
        weights = _iteration_weights(len(predicted), discount, predicted)
        seen = visibility[:, 1:]
        position = _masked_mean((weights[:, None, None, None] * error).sum(0)[:, 1:], seen)
        truth = visibility.float()
        visible = F.binary_cross_entropy(_probability(visibility_predicted), truth)
        close = truth * (error[-1].detach() < confident_within)
        confidence = F.binary_cross_entropy(_probability(track_conf), close)
    return {
        "track": position + visible + confidence,
        "track_px": (_masked_mean(error[-1][:, 1:], seen) * longer).detach(),
        "track_visibility": visible.detach(),
    }


def _probability(values: Tensor) -> Tensor:
    """Clamped away from 0 and 1, where a sigmoid is saturated and the logarithm infinite."""
    return values.float().clamp(1e-6, 1 - 1e-6)


def matching_loss(
    descriptors: Float[Tensor, "batch views queries channels"],
    visibility: Bool[Tensor, "batch views queries"],
    temperature: float = 0.07,
) -> Losses:
    """InfoNCE in both directions between descriptors of the same points in every pair of views.

    Each point must find itself among the other points visible in both views, by cosine
    similarity. ``matching_top1`` is how often the nearest descriptor was the right one.
    """
    descriptors = F.normalize(descriptors.float(), dim=-1)
    num_views = descriptors.shape[1]
    first, second = torch.triu_indices(num_views, num_views, offset=1)
    both = visibility[:, first] & visibility[:, second]
    logits = descriptors[:, first] @ descriptors[:, second].transpose(-1, -2) / temperature
    # A finite floor: the softmax of a row of minus infinities (nothing visible) is NaN.
    candidates = both[..., None, :] & both[..., :, None]
    logits = torch.where(candidates, logits, -1e4)
    right = torch.arange(logits.shape[-1], device=logits.device)
    forward = -F.log_softmax(logits, -1).diagonal(dim1=-2, dim2=-1)
    backward = -F.log_softmax(logits, -2).diagonal(dim1=-2, dim2=-1)
    return {
        "matching": _masked_mean((forward + backward) / 2, both),
        "matching_top1": _masked_mean((logits.argmax(-1) == right).float(), both).detach(),
    }
