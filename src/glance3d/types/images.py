"""What the network sees, and what is known of each photo besides its pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from glance3d.errors import InputError
from glance3d.types.cameras import Cameras
from glance3d.types.clips import ClipSummary
from glance3d.types.masks import Masks, kept_on_grids
from glance3d.types.photo_content import PhotoContents
from glance3d.types.placement import Placement

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)


@dataclass(frozen=True)
class SkippedPhoto:
    """A photo that was asked for and could not be used, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class PhotoMetadata:
    """What a photo's file says of how it was taken; None where it says nothing.

    ``camera`` names the physical camera (make, model, lens), ``focal_35mm`` is its focal length in
    millimetres on 35 mm film (a 43.3 mm diagonal), ``latitude`` and ``longitude`` are degrees
    (WGS 84), ``altitude`` metres, ``taken`` an ISO 8601 time. ``projection`` is how the scene was
    projected where that was not as by a pinhole: "equirectangular", "cylindrical", "fisheye" ...
    """

    camera: str | None = None
    focal_35mm: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None
    taken: str | None = None
    projection: str | None = None

    def focal_length(self, size: tuple[int, int]) -> float | None:
        """In pixels of a photo of this (width, height); None where unknown, or no pinhole."""
        if not self.focal_35mm or self.focal_35mm <= 0 or self.projection is not None:
            return None
        return self.focal_35mm / FILM_DIAGONAL_MM * math.hypot(*size)


@dataclass(frozen=True)
class ImageBatch:
    """The pixels the network sees, and the mapping of each to its original photo.

    ``pixels`` are RGB, as bytes or as floats in [0, 1]; :attr:`images` are floats. The first view
    is the reference: its camera's frame becomes the world. ``names`` are unique and are the file
    names by which results name the photos; ``sources`` are where they came
    from, as absolute paths, and ``contents`` what was in those files, None for images in memory.
    What could not be read is in ``skipped``, never dropped silently. ``masks`` say which part
    of each photo counts, None for all of it; empty if no photo has one. The images show it all, or
    ``hidden_color`` where a mask leaves a photo out.
    ``clips`` say which frames of which video are among the views. ``known_focal_lengths`` are those
    known of the original photos' cameras, in their pixels; NaN is not known. ``known_cameras`` are
    whole ones, in pixels of the original photos: of all views, for networks that take cameras, or
    None. ``notes`` are sentences about the photos and how they were found, for a person.
    """

    pixels: UInt8[Tensor, "views 3 height width"] | Float[Tensor, "views 3 height width"]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    placements: tuple[Placement, ...]
    skipped: tuple[SkippedPhoto, ...] = ()
    metadata: tuple[PhotoMetadata, ...] = ()
    masks: Masks = ()
    clips: tuple[ClipSummary, ...] = ()
    known_focal_lengths: Float[Tensor, " views"] | None = None
    known_cameras: Cameras | None = None
    contents: PhotoContents = ()
    notes: tuple[str, ...] = ()
    hidden_color: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse lists of different lengths."""
        counts = {len(self.pixels), len(self.names), len(self.sources), len(self.placements)}
        if len(counts) != 1:
            raise InputError(f"an ImageBatch needs one name, source and placement a view: {counts}")
        if self.known_cameras is not None and len(self.known_cameras) != len(self.names):
            raise InputError(
                f"known_cameras must be those of all {len(self.names)} views, got "
                f"{len(self.known_cameras)}: leave them out where one is not known"
            )

    @property
    def images(self) -> Float[Tensor, "views 3 height width"]:
        """RGB in [0, 1], as the network sees it, made of the pixels anew each time.

        Four times as large as bytes: of many views, take some at a time (:meth:`of_views`).
        """
        images = self.pixels
        if images.dtype == torch.uint8:
            images = images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
        if self.hidden_color is None:
            return images
        hidden = self.content_mask & ~self.usable_mask
        return torch.where(
            hidden[:, None], images.new_tensor(self.hidden_color)[:, None, None], images
        )

    @property
    def colors(self) -> UInt8[Tensor, "views height width 3"]:
        """The photos themselves, whatever is hidden from the network; bytes are not copied."""
        if self.pixels.dtype == torch.uint8:
            return self.pixels.permute(0, 2, 3, 1)
        colors = (self.pixels.detach().cpu() * 255).round().clamp(0, 255).to(torch.uint8)
        return colors.permute(0, 2, 3, 1)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the network's grid."""
        height, width = self.pixels.shape[-2:]
        return height, width

    @property
    def content_mask(self) -> Bool[Tensor, "views height width"]:
        """True where a photo is, False on padding."""
        return torch.stack([placement.content_mask() for placement in self.placements])

    @property
    def usable_mask(self) -> Bool[Tensor, "views height width"]:
        """True where a photo is and its mask, if it has one, keeps it."""
        return kept_on_grids(self.placements, self.masks)

    @property
    def focal_lengths(self) -> Float[Tensor, " views"] | None:
        """In pixels of the network's grid: known ones, else what files say; NaN where neither is.

        None if there is none at all.
        """
        lengths = torch.full((len(self.names),), torch.nan)
        for view, (metadata, placement) in enumerate(
            zip(self.metadata, self.placements, strict=False)
        ):
            lengths[view] = metadata.focal_length(placement.original_size) or torch.nan
        if self.known_focal_lengths is not None:
            known = self.known_focal_lengths.float()
            lengths = torch.where(known.isnan(), lengths, known)
        scales = [math.sqrt(math.prod(placement.scale)) for placement in self.placements]
        return None if bool(lengths.isnan().all()) else lengths * torch.tensor(scales)

    def of_views(self, views: Sequence[int]) -> "ImageBatch":
        """The photos of some views, in this order."""

        def chosen(values: tuple) -> tuple:
            return tuple(values[view] for view in views) if values else ()

        known, cameras = self.known_focal_lengths, self.known_cameras
        return replace(
            self,
            pixels=self.pixels[list(views)],
            names=chosen(self.names),
            sources=chosen(self.sources),
            placements=chosen(self.placements),
            metadata=chosen(self.metadata),
            masks=chosen(self.masks),
            contents=chosen(self.contents),
            known_focal_lengths=known if known is None else known[list(views)],
            known_cameras=cameras and cameras.of_views(views),
        )
