"""Random objects: their sizes, rotations and resting places."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.raycast import NUM_PRIMITIVES

TURN = 2 * torch.pi


def rotation_z(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation about the vertical axis."""
    cosine, sine = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    entries = [cosine, -sine, zero, sine, cosine, zero, zero, zero, one]
    return torch.stack(entries, -1).unflatten(-1, (3, 3))


def _random_rotation(draws: Draws, *shape: int) -> Float[Tensor, "scenes *shape 3 3"]:
    """Two random directions made orthonormal."""
    a, b = draws.normal(*shape, 3), draws.normal(*shape, 3)
    x = a / a.norm(dim=-1, keepdim=True)
    b = b - (b * x).sum(-1, keepdim=True) * x
    y = b / b.norm(dim=-1, keepdim=True)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def draw_objects(draws: Draws, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Half sizes, rotations and resting heights of objects of about ``size`` [scenes, 1]."""
    count = NUM_PRIMITIVES
    half = (
        size[..., None]
        * draws.log_uniform(0.4, 1.8, count, 1)
        * draws.log_uniform(0.6, 1.6, count, 3)
    )
    thin = draws.chance(0.3, count, 1) & (draws.integer(3, count, 1) == axes(half))
    half = torch.where(thin, 0.15 * half, half)
    tall = draws.chance(0.2, count, 1) & (axes(half) == 2)
    half = torch.where(tall, 2.5 * half, half)
    upright = rotation_z(draws.uniform(0.0, TURN, count))
    tumbled = draws.chance(0.35, count)[..., None, None]
    rotations = torch.where(tumbled, _random_rotation(draws, count), upright)
    # The reach downwards: exact for boxes, generous for the round ones.
    rest = (rotations[..., 2, :].abs() * half).sum(-1)
    return half, rotations, rest


def axes(like: Tensor) -> Tensor:
    """0, 1, 2 on the device of ``like``."""
    return torch.arange(3, device=like.device)


def draw_places(draws: Draws, radius: Tensor) -> Tensor:
    """Places on a disc of ``radius`` [scenes, 1], as [scenes, primitives, 2]."""
    angle = draws.uniform(0.0, TURN, NUM_PRIMITIVES)
    away = radius * draws.uniform(0.02, 1.0, NUM_PRIMITIVES).sqrt()
    return torch.stack([away * angle.cos(), away * angle.sin()], -1)


def draw_lift(draws: Draws, share: float, height: Tensor) -> Tensor:
    """How far above its support each primitive floats: 0 for all but a ``share`` of them."""
    return draws.chance(share, NUM_PRIMITIVES) * draws.unit(NUM_PRIMITIVES) * height
