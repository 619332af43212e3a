"""Anchors: photos of the scene that the network sees again together with the new ones."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.images import FoundSources, Originals, load_images
from glance3d.models import Network
from glance3d.models.photo_descriptors import describe_photos
from glance3d.retrieval import photo_likeness
from glance3d.types import Reconstruction

# Of so many times as many as are wanted, those that are most alike to the new photos, anchors are
# chosen.
_CANDIDATES = 2


def choose_anchors(
    scene: Reconstruction, count: int, likeness: Float[Tensor, "new old"] | None = None
) -> list[int]:
    """At most ``count`` views, the one first from which the network should look.

    All views, the reference first, where there are no more. Else half of them are those most alike
    to new photos (``likeness``), first the most alike of each, and the others are chosen among
    those next alike, with positions and directions far apart, so that their poses tell a scale.
    """
    if scene.num_views <= count:
        first = scene.reference_view
        return [first, *(view for view in range(scene.num_views) if view != first)]
    if likeness is None:
        raise ValueError("choosing among the views of a scene needs their likeness to new photos")
    ranked = _by_likeness(likeness)
    chosen, candidates = ranked[: -(-count // 2)], ranked[: _CANDIDATES * count]
    features = _positions_and_directions(scene)[candidates]
    numbers = [candidates.index(view) for view in chosen]
    distance = torch.cdist(features, features[numbers]).amin(1)
    while len(chosen) < count:
        distance[numbers] = -1.0
        numbers.append(int(distance.argmax()))
        chosen.append(candidates[numbers[-1]])
        distance = torch.minimum(distance, (features - features[numbers[-1]]).norm(dim=-1))
    return [chosen[0], *sorted(chosen[1:])]


def likeness_to_new(
    scene: Reconstruction,
    old: Originals,
    new: Sequence[Path],
    network: Network,
    *,
    progress: bool = False,
) -> Float[Tensor, "new old"]:
    """How alike new photos are to those of the scene, which ``old`` reads."""
    preprocessing = network.preprocessing
    of_scene = old.load(preprocessing, progress=progress)
    described = [
        describe_photos(network, replace(of_scene, masks=scene.masks), progress=progress),
        describe_photos(network, load_images(FoundSources(tuple(new)), preprocessing)),
    ]
    return photo_likeness(torch.cat(described))[scene.num_views :, : scene.num_views]


def _by_likeness(likeness: Float[Tensor, "new old"]) -> list[int]:
    """Old views: first those that are some new photo's most alike, then the second ones ..."""
    rank = likeness.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1).amin(0)
    best = likeness.amax(0)
    # Likeness, between -1 and 1, decides between those of one rank.
    return (rank - best / 4).argsort(stable=True).tolist()


def _positions_and_directions(scene: Reconstruction) -> Float[Tensor, "views 6"]:
    centers = scene.cameras.centers.double()
    centred = centers - centers.mean(0)
    extent = centred.norm(dim=-1).mean().clamp_min(1e-12)
    return torch.cat([centred / extent, scene.cameras.cam_from_world[:, 2, :3].double()], -1)
