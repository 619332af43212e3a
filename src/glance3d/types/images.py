"""What the network sees, and what is known of each photo besides its pixels."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.types.placement import Placement


@dataclass(frozen=True)
class SkippedPhoto:
    """A photo that was asked for and could not be used, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class PhotoFacts:
    """What a photo's file says of how it was taken; None where it says nothing.

    ``camera`` names the physical camera (make, model, lens), ``focal_35mm`` is its focal length in
    millimetres on 35 mm film (a 43.3 mm diagonal), ``latitude`` and ``longitude`` are degrees
    (WGS 84), ``altitude`` metres, ``taken`` an ISO 8601 time.
    """

    camera: str | None = None
    focal_35mm: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None
    taken: str | None = None


@dataclass(frozen=True)
class ImageBatch:
    """The pixels the network sees: RGB in [0, 1], and each photo's way back to its original.

    The first view is the reference: its camera's frame becomes the world. ``names`` are unique and
    are the file names under which results speak of the photos; ``sources`` are where they came
    from. What could not be read is in ``skipped``, never dropped silently.
    """

    images: Float[Tensor, "views 3 height width"]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    placements: tuple[Placement, ...]
    skipped: tuple[SkippedPhoto, ...] = ()
    facts: tuple[PhotoFacts, ...] = ()

    def __post_init__(self) -> None:
        """Refuse lists of different lengths."""
        counts = {len(self.images), len(self.names), len(self.sources), len(self.placements)}
        if len(counts) != 1:
            raise InputError(f"an ImageBatch needs one name, source and placement a view: {counts}")

    @property
    def content_mask(self) -> Bool[Tensor, "views height width"]:
        """True where a photo is, False on padding."""
        return torch.stack([placement.content_mask() for placement in self.placements])
