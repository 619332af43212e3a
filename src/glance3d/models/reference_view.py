"""Which view the network should see first: the world is its camera's frame.

VGGT gives the first view special tokens and tells all others from there (section 3.1). A photo that
has little in common with the others is a poor place to look from; what each has in common with the
others shows in the patch embedding alone, before views see each other. Depth Anything 3 chooses the
view that it looks from itself, of three or more (:mod:`glance3d.models.da3.reference`): there the
first view gives the world its frame and no more.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.distributed.group import current_group
from glance3d.images.naming.view_names import ViewName, find_view
from glance3d.models.network import Network
from glance3d.types import ImageBatch

# Patches on the longer side: what a photo is of shows in a small copy, at a fraction of the cost.
_PATCHES = 16
_VIEWS_AT_ONCE = 16


@dataclass(frozen=True)
class ReferenceChoice:
    """Which view it is, what was asked for, and why it is this one.

    ``likeness`` is :func:`view_likeness` of every view, where it was measured.
    """

    view: int
    requested: str
    reason: str
    likeness: tuple[float, ...] | None = None

    def describe(self, names: tuple[str, ...]) -> dict[str, Any]:
        """For the report, JSON-ready."""
        described = {
            "view": names[self.view],
            "index": self.view,
            "asked": self.requested,
            "reason": self.reason,
        }
        if self.likeness is None:
            return described
        scores = {n: round(v, 4) for n, v in zip(names, self.likeness, strict=True)}
        return {**described, "likeness": scores}


def choose_reference(network: Network, batch: ImageBatch, reference: ViewName) -> ReferenceChoice:
    """The reference view: "first", "auto" (the one most alike to the others), or a photo's name.

    Raises:
        InputError: there is no photo of that name, or there are several.
    """
    if reference == "first":
        return ReferenceChoice(0, "first", f"the first of {len(batch.names)}")
    if reference != "auto":
        return ReferenceChoice(find_view(reference, batch.names), str(reference), "as asked")
    likeness = view_likeness(network, batch)
    best = int(current_group().number_of_first(float(likeness.argmax())))
    reason = (
        "there is no other"
        if len(likeness) == 1
        else f"of {len(likeness)} the one that has most in common with the others (mean cosine "
        f"{likeness[best]:.2f}, the first photo {likeness[0]:.2f})"
    )
    return ReferenceChoice(best, "auto", reason, tuple(likeness.tolist()))


def view_likeness(network: Network, batch: ImageBatch) -> Float[Tensor, " views"]:
    """How much each view has in common with the others, -1 to 1: the higher the better a reference.

    Every patch token of a small copy is centred (by the mean of all tokens) and normalised; a view
    is the mean of its tokens. Its likeness is the mean cosine with the other views; 0 if there is
    no other.
    """
    num_views, patch = len(batch.names), network.config.patch_size
    if num_views < 2:
        return torch.zeros(num_views)
    tokens_of = []
    with torch.inference_mode():
        for first in range(0, num_views, _VIEWS_AT_ONCE):
            part = batch.of_views(range(num_views)[first : first + _VIEWS_AT_ONCE])
            small = _small_copies(part.images, patch)
            tokens_of.append(network.embed_patches(small.to(network.device)).float().cpu())
        tokens = torch.cat(tokens_of)
        centred = F.normalize(tokens - tokens.mean((0, 1)), dim=-1)
        pooled = F.normalize(centred.mean(1), dim=-1)
        cosines = pooled @ pooled.T
        likeness = (cosines.sum(1) - cosines.diagonal()) / (num_views - 1)
    return likeness.clone()


def _small_copies(
    images: Float[Tensor, "views 3 height width"], patch: int
) -> Float[Tensor, "views 3 height_small width_small"]:
    height, width = images.shape[-2:]
    factor = min(1.0, _PATCHES * patch / max(height, width))
    size = [max(1, round(side * factor / patch)) * patch for side in (height, width)]
    if tuple(size) == (height, width):
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
