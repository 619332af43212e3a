"""Anchors: photos of the scene that the network sees again together with the new ones."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.types import Reconstruction


def choose_anchors(scene: Reconstruction, count: int) -> list[int]:
    """At most ``count`` views with positions and directions far apart, the reference first.

    Farthest-point sampling over position (in units of the scene's extent) and viewing direction.
    """
    features = _positions_and_directions(scene)
    first = scene.reference_view
    chosen = [first]
    distance = (features - features[first]).norm(dim=-1)
    while len(chosen) < min(count, scene.num_views):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (features - features[chosen[-1]]).norm(dim=-1))
        distance[chosen] = -1.0
    return [first, *sorted(chosen[1:])]


def _positions_and_directions(scene: Reconstruction) -> Float[Tensor, "views 6"]:
    centers = scene.cameras.centers.double()
    centred = centers - centers.mean(0)
    extent = centred.norm(dim=-1).mean().clamp_min(1e-12)
    return torch.cat([centred / extent, scene.cameras.cam_from_world[:, 2, :3].double()], -1)
