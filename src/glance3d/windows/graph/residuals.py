"""What an edge expects of two windows' frames, as numbers that should be zero, and derivatives.

A frame is moved from its own side: R <- R exp([w]), t <- t + s R v, s <- s exp(q) for a step (w, v,
q) in radians, in the window's own lengths, and as a logarithm. Everything in float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation

from glance3d.geometry.similarity import Similarity
from glance3d.windows.graph.edges import WindowEdge


@dataclass(frozen=True)
class Frames:
    """``world_from_window`` of all windows as arrays."""

    rotation: Float[np.ndarray, "windows 3 3"]
    translation: Float[np.ndarray, "windows 3"]
    log_scale: Float[np.ndarray, " windows"]

    @classmethod
    def of(cls, similarities: Sequence[Similarity]) -> "Frames":
        """From similarities."""
        return cls(
            np.stack([one.rotation.double().numpy() for one in similarities]),
            np.stack([one.translation.double().numpy() for one in similarities]),
            np.log([one.scale for one in similarities]),
        )

    def similarities(self) -> tuple[Similarity, ...]:
        """As similarities."""
        return tuple(
            Similarity(float(np.exp(scale)), torch.from_numpy(rotation), torch.from_numpy(shift))
            for rotation, shift, scale in zip(
                self.rotation, self.translation, self.log_scale, strict=True
            )
        )

    def __len__(self) -> int:
        return len(self.log_scale)

    def moved(self, step: Float[np.ndarray, "windows 7"]) -> "Frames":
        """After a step of every frame, each from its own side."""
        scale = np.exp(self.log_scale)[:, None]
        return Frames(
            self.rotation @ Rotation.from_rotvec(step[:, :3]).as_matrix(),
            self.translation + scale * np.einsum("nij,nj->ni", self.rotation, step[:, 3:6]),
            self.log_scale + step[:, 6],
        )


@dataclass(frozen=True)
class EdgeArrays:
    """All edges as arrays; ``noise`` is of the seven residuals."""

    first: Int[np.ndarray, " edges"]
    second: Int[np.ndarray, " edges"]
    measured: Frames
    anchor: Float[np.ndarray, "edges 3"]
    unit: Float[np.ndarray, " edges"]
    noise: Float[np.ndarray, "edges 7"]
    loop: Bool[np.ndarray, " edges"]

    @classmethod
    def of(cls, edges: Sequence[WindowEdge]) -> "EdgeArrays":
        """From a list of at least one."""
        noise = np.array([edge.noise.as_tuple() for edge in edges])
        return cls(
            np.array([edge.first for edge in edges]),
            np.array([edge.second for edge in edges]),
            Frames.of([edge.first_from_second for edge in edges]),
            np.stack([edge.anchor.double().numpy() for edge in edges]),
            np.array([edge.unit for edge in edges]),
            noise[:, [0, 0, 0, 1, 1, 1, 2]],
            np.array([edge.loop for edge in edges]),
        )


def linearise(
    frames: Frames, edges: EdgeArrays
) -> tuple[
    Float[np.ndarray, "edges 7"], Float[np.ndarray, "edges 7 7"], Float[np.ndarray, "edges 7 7"]
]:
    """Residuals over their noise, and their derivatives by steps of the first and second frame.

    With R, t, s of the frames i (first) and j (second), and M of the measurement i_from_j:
    rotation log(R_M^T R_i^T R_j); the anchor's place in frame i, (s_j R_j c + t_j - t_i) R_i / s_i
    less where M puts it, in units; log(s_j / s_i / s_M).
    """
    first, second, measured = edges.first, edges.second, edges.measured
    inverse = frames.rotation[first].swapaxes(-1, -2)  # R_i^T
    across = inverse @ frames.rotation[second]  # R_i^T R_j
    log_ratio = frames.log_scale[second] - frames.log_scale[first]
    scaled = np.exp(log_ratio)[:, None, None] * across  # [E,3,3]
    arm = np.einsum("eij,ej->ei", scaled, edges.anchor)
    between = frames.translation[second] - frames.translation[first]
    shift = np.einsum("eij,ej->ei", inverse, between) / np.exp(frames.log_scale[first])[:, None]
    place = arm + shift
    measured_arm = np.einsum("eij,ej->ei", measured.rotation, edges.anchor)
    expected = np.exp(measured.log_scale)[:, None] * measured_arm + measured.translation
    turn = Rotation.from_matrix(measured.rotation.swapaxes(-1, -2) @ across).as_rotvec()

    unit = edges.unit[:, None]
    residual = np.concatenate(
        [turn, (place - expected) / unit, (log_ratio - measured.log_scale)[:, None]], 1
    )
    to_first, to_second = np.zeros((2, len(unit), 7, 7))
    right = _inverse_right_jacobian(turn)
    to_second[:, :3, :3] = right
    to_first[:, :3, :3] = -right @ across.swapaxes(-1, -2)
    to_first[:, 3:6, :3] = _cross(place) / unit[..., None]
    to_first[:, 3:6, 3:6] = -np.eye(3) / unit[..., None]
    to_first[:, 3:6, 6] = -place / unit
    to_second[:, 3:6, :3] = -scaled @ _cross(edges.anchor) / unit[..., None]
    to_second[:, 3:6, 3:6] = scaled / unit[..., None]
    to_second[:, 3:6, 6] = arm / unit
    to_first[:, 6, 6], to_second[:, 6, 6] = -1.0, 1.0
    noise = edges.noise
    return residual / noise, to_first / noise[..., None], to_second / noise[..., None]


def _cross(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3 3"]:
    """``_cross(a) @ b`` is the cross product of a and b."""
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)


def _inverse_right_jacobian(turn: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3 3"]:
    """How log(exp([turn]) exp([w])) grows with w, at w = 0.

    Source: Sola et al., "A micro Lie theory for state estimation in robotics", 2018, equation 144.
    """
    angle = np.linalg.norm(turn, axis=-1)[:, None, None]
    cross = _cross(turn)
    safe = np.where(angle > 1e-4, angle, 1.0)
    exact = 1 / safe**2 - (1 + np.cos(safe)) / (2 * safe * np.sin(np.minimum(safe, np.pi - 1e-6)))
    second = np.where(angle > 1e-4, exact, 1 / 12)  # the limit at zero
    return np.eye(3) + cross / 2 + second * (cross @ cross)
