"""Which way is up, so that a scene is shown as people stood in it."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.exporters.world_text import is_east_north_up
from glance3d.types import Reconstruction

# How much the cameras' own idea of up counts against their horizons: enough to decide where all
# photos were taken side by side, too little to tilt a scene that was looked at from above.
_OWN_UP = 0.02
# Below this, the photos' upper edges point everywhere, as when one looks straight down.
_NO_COMMON_UP = 0.3
# Lengths of a mean of unit vectors: 1 if all are one, about 0 if they go around.
_ALL_ALIKE, _ALL_AROUND = 0.9, 0.5


def up_direction(scene: Reconstruction) -> Float[Tensor, "3"]:
    """The unit vector towards the sky, in the world.

    It is known where the world is (GPS). Otherwise the cameras tell: people hold them level, so up
    is at right angles to all the photos' rows, and as near as that allows to their upper edges.
    Of photos that look straight down, or up, the edges say nothing: up is then where they come
    from. Where the rows all point one way while the cameras go around them, the photos lie on their
    side, and up is along their rows: that end of them from which the cameras look down.
    """
    if is_east_north_up(scene.world):
        return torch.tensor([0.0, 0.0, 1.0])
    right, down, forward = scene.cameras.cam_from_world[:, :, :3].double().unbind(1)
    guess = -down.mean(0)
    if guess.norm() < _NO_COMMON_UP:
        guess = -forward.mean(0)
    horizons = right.T @ right / len(right)
    identity = torch.eye(3, dtype=torch.float64)
    up = torch.linalg.solve(horizons + _OWN_UP * identity, guess)
    if right.mean(0).norm() > _ALL_ALIKE and down.mean(0).norm() < _ALL_AROUND:
        up = right.mean(0) * -torch.sign(right.mean(0) @ forward.mean(0))
    if up.norm() < 1e-9:
        return -down[0].float()
    return (up / up.norm()).float()


def upright_from_world(scene: Reconstruction) -> Float[Tensor, "3 3"]:
    """Turns the world so that y points to the sky and the first camera looks along -z.

    Those are the axes of glTF, three.js and most viewers: x right, y up, z towards the viewer.
    """
    up = up_direction(scene).double()
    axes = scene.cameras.cam_from_world[0, :, :3].double()
    forward, below = axes[2], axes[1]
    # A first camera that looks straight down has its upper edge ahead.
    ahead = forward if abs(float(forward @ up)) < 0.99 else -below
    backward = up * (ahead @ up) - ahead
    backward = backward / backward.norm()
    return torch.stack([torch.linalg.cross(up, backward), up, backward]).float()
