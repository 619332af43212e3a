"""Which view the network should see first: the world is its camera's frame.

VGGT gives the first view special tokens and tells all others from there (section 3.1). A photo that
has little in common with the others is a poor place to look from; what each has in common with the
others shows before views see each other (:mod:`glance3d.retrieval`). Depth Anything 3 chooses the
view that it looks from itself, of three or more (:mod:`glance3d.models.da3.reference`): there the
first view gives the world its frame and no more.
"""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from glance3d.distributed.group import current_group
from glance3d.images.naming.view_names import ViewName, find_view
from glance3d.models.network import Network
from glance3d.models.photo_descriptors import describe_photos
from glance3d.retrieval import photo_likeness
from glance3d.types import ImageBatch


@dataclass(frozen=True)
class ReferenceChoice:
    """Which view it is, what was asked for, and why it is this one.

    ``alike`` is :func:`~glance3d.retrieval.photo_likeness` of every two views, where it was
    measured, ``likeness`` its mean over the others of each view, -1 to 1: the higher the better a
    reference.
    """

    view: int
    requested: str
    reason: str
    likeness: tuple[float, ...] | None = None
    alike: Float[Tensor, "views views"] | None = None

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
    alike = photo_likeness(describe_photos(network, batch))
    # The mean over the others; 0 if there is none.
    likeness = (alike.sum(1) - alike.diagonal()) / max(len(alike) - 1, 1)
    best = int(current_group().number_of_first(float(likeness.argmax())))
    reason = (
        "there is no other"
        if len(likeness) == 1
        else f"of {len(likeness)} the one that has most in common with the others (mean cosine "
        f"{likeness[best]:.2f}, the first photo {likeness[0]:.2f})"
    )
    return ReferenceChoice(best, "auto", reason, tuple(likeness.tolist()), alike)
