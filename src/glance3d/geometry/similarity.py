"""Similarities: rotation, translation and one scale, between the frames of two worlds."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.rotations import kabsch


@dataclass(frozen=True)
class Similarity:
    """``a_from_b``: a column point ``p_b`` becomes ``p_a = scale * rotation @ p_b + translation``.

    Lengths in frame a are ``scale`` times those in frame b.
    """

    scale: float
    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, "3"]

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves, to the last bit."""
        return (
            self.scale == 1.0
            and not bool(self.translation.any())
            and bool((self.rotation == torch.eye(3).to(self.rotation)).all())
        )

    def transform_points(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Points of frame b, in frame a."""
        rotation, translation = self.rotation.to(points), self.translation.to(points)
        return self.scale * (points @ rotation.T) + translation

    def transform_cameras(
        self, cam_from_b: Float[Tensor, "*views 3 4"]
    ) -> Float[Tensor, "*views 3 4"]:
        """``cam_from_a``: the same cameras, whose own unit of length is scaled with the world's."""
        rotation = cam_from_b[..., :3] @ self.rotation.to(cam_from_b).T
        shift = (rotation @ self.translation.to(cam_from_b)).unsqueeze(-1)
        return torch.cat([rotation, self.scale * cam_from_b[..., 3:] - shift], dim=-1)

    def inverse(self) -> "Similarity":
        """``b_from_a``."""
        rotation = self.rotation.T
        return Similarity(1 / self.scale, rotation, -(rotation @ self.translation) / self.scale)

    def compose(self, b_from_c: "Similarity") -> "Similarity":
        """``a_from_c``. Names cancel: ``a_from_b.compose(b_from_c)``."""
        return Similarity(
            self.scale * b_from_c.scale,
            self.rotation @ b_from_c.rotation,
            self.transform_points(b_from_c.translation),
        )


def identity_similarity() -> Similarity:
    """The frame itself, in float64."""
    return Similarity(1.0, torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))


def estimate_similarity(
    source: Float[Tensor, "points 3"],
    target: Float[Tensor, "points 3"],
    weights: Float[Tensor, " points"] | None = None,
) -> Similarity:
    """``target_from_source`` with the least weighted sum of squared distances, in float64.

    Needs three points that are not on a line; otherwise the rotation is one of many that fit.
    Source: Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", PAMI 1991.

    Raises:
        InputError: no point, or weights that are all zero.
    """
    source, target = source.double(), target.double()
    weights = source.new_ones(len(source)) if weights is None else weights.double()
    if not len(source) or float(weights.sum()) <= 0:
        raise InputError("a similarity needs at least one point with a positive weight")
    weights = weights / weights.sum()
    source_mean, target_mean = weights @ source, weights @ target
    source_centred, target_centred = source - source_mean, target - target_mean
    covariance = (target_centred * weights[:, None]).T @ source_centred
    rotation, singular = kabsch(covariance)
    variance = float((weights * source_centred.square().sum(-1)).sum())
    scale = float(singular.sum()) / variance if variance > 0 else 1.0
    return Similarity(scale, rotation, target_mean - scale * (rotation @ source_mean))


def rigid_part(
    sim3: Similarity, source: Float[Tensor, "points 3"], target: Float[Tensor, "points 3"]
) -> Similarity:
    """The best SE(3): the best Sim(3)'s rotation with scale 1, and the means brought together."""
    turned = source.mean(0) @ sim3.rotation.T
    return replace(sim3, scale=1.0, translation=target.mean(0) - turned)
