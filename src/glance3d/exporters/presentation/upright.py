"""The upward direction of a scene, so that it is displayed upright."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.exporters.world_text import is_east_north_up
from glance3d.types import Reconstruction

# Weight of the cameras' upper edges against their horizons: enough to decide if all photos were
# taken side by side, too little to tilt a scene that was photographed from above.
_OWN_UP = 0.02
# Below this, the photos' upper edges point in all directions, as when cameras look straight down.
_NO_COMMON_UP = 0.3
# Lengths of a mean of unit vectors: 1 if all are one, about 0 if they go around.
_ALL_ALIKE, _ALL_AROUND = 0.9, 0.5


def up_direction(scene: Reconstruction) -> Float[Tensor, "3"]:
    """The unit vector towards the sky, in the world.

    It is known in an east-north-up world (GPS). Otherwise it is estimated from the cameras: people
    hold them level, so up is orthogonal to all the photos' rows, and as near as possible to their
    upper edges. If photos look straight down, or up, edges do not help: up is then opposite to the
    viewing direction. If the rows all have one direction while the cameras go around it, the photos
    lie on their side, and up is along their rows: towards the end from which the cameras
    look down.
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
    """Rotation of the world after which y points up and the first camera looks along -z.

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
