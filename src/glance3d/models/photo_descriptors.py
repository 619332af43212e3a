"""The descriptors of whole photos by a network, a few photos at a time: linear in their number."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.models.network import Network
from glance3d.progress import ProgressBar
from glance3d.types import ImageBatch

# Photos at once. None sees another, so that these need less than one pass of so many.
_PHOTOS_AT_ONCE = 4


def describe_photos(
    network: Network, batch: ImageBatch, *, progress: bool = False
) -> Float[Tensor, "views dim"]:
    """Unit vectors, one a photo, on the CPU: what :mod:`glance3d.retrieval` compares.

    Padding and what masks leave out does not count. Time is linear in the number of photos.
    """
    parts = []
    views = range(len(batch.names))
    starts = range(0, len(views), _PHOTOS_AT_ONCE)
    with torch.inference_mode():
        for start in ProgressBar(starts, "describing photos", disable=not progress):
            part = batch.of_views(views[start : start + _PHOTOS_AT_ONCE])
            usable = part.usable_mask.to(network.device).float()
            parts.append(network.photo_descriptors(part.images.to(network.device), usable).cpu())
    return torch.cat(parts).clone()
