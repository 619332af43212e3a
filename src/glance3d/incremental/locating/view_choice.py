"""Which views of a scene photos are matched with: those that look most alike."""

import torch

from glance3d.images import Originals
from glance3d.models import ModelSource
from glance3d.models.photo_descriptors import describe_photos
from glance3d.retrieval import photo_likeness
from glance3d.types import ImageBatch, Reconstruction

# Up to so many views of a scene are all matched with; of more, so many that are most alike.
MOST_VIEWS = 12


def choose_views(
    scene: Reconstruction,
    originals: Originals,
    photos: ImageBatch,
    source: ModelSource,
    *,
    progress: bool = False,
) -> list[list[int]]:
    """The views for each photo, the most alike first; of few views all.

    Time is linear in the number of views.
    """
    if scene.num_views <= MOST_VIEWS:
        return [list(range(scene.num_views)) for _ in photos.names]
    network = source.load()
    views = originals.load(network.preprocessing, progress=progress)
    described = [describe_photos(network, batch, progress=progress) for batch in (views, photos)]
    likeness = photo_likeness(torch.cat(described))[scene.num_views :, : scene.num_views]
    return likeness.topk(MOST_VIEWS, -1).indices.tolist()
