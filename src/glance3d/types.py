"""The nouns that travel between folders, each a frozen dataclass.

``ImageBatch`` (what the network sees) becomes ``Predictions`` (what the network said) becomes
``Reconstruction`` (one scene for a person). Nothing else crosses a border.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_centers, scale_intrinsics, unproject_depth
from glance3d.geometry.pose_encoding import decode_pose

# The network counts query points and tracks from the top-left pixel's centre, we from its corner.
TRACK_PIXEL_SHIFT = 0.5
PINHOLE_FOV = (0.01, 3.1)  # radians


@dataclass(frozen=True)
class Placement:
    """Where one original, upright photo lies on the network's pixel grid.

    ``pixel_processed = pixel_original * scale + offset``, per axis (x, y), with the centre of the
    top-left pixel at (0.5, 0.5) on both sides. This one affine map records every resize, crop and
    pad, so that pixels, depth maps and intrinsics find the way back. Sizes are (width, height).

    ``exif_orientation`` (1 to 8) is what the file asked for; it has already been applied: the
    original, upright photo is what a person sees in a viewer.
    """

    original_size: tuple[int, int]
    processed_size: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    exif_orientation: int = 1

    def to_processed(self, pixels_original: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Pixels of the original, upright photo, on the network's grid."""
        scale, offset = pixels_original.new_tensor([self.scale, self.offset])
        return pixels_original * scale + offset

    def to_original(self, pixels_processed: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Pixels of the network's grid, on the original, upright photo."""
        scale, offset = pixels_processed.new_tensor([self.scale, self.offset])
        return (pixels_processed - offset) / scale

    def intrinsics_to_processed(self, intrinsics: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
        """Intrinsics of the original photo, for the network's grid."""
        scale, offset = intrinsics.new_tensor([self.scale, self.offset])
        return scale_intrinsics(intrinsics, scale, offset)

    def intrinsics_to_original(self, intrinsics: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
        """Intrinsics on the network's grid, for the original photo."""
        scale, offset = intrinsics.new_tensor([self.scale, self.offset])
        return scale_intrinsics(intrinsics, 1 / scale, -offset / scale)

    def content_mask(self) -> Bool[Tensor, "height width"]:
        """True where the network's grid shows the photo, False on padding."""
        width, height = self.processed_size
        x = (torch.arange(width, dtype=torch.float64) + 0.5 - self.offset[0]) / self.scale[0]
        y = (torch.arange(height, dtype=torch.float64) + 0.5 - self.offset[1]) / self.scale[1]
        inside_x = (x > 0) & (x < self.original_size[0])
        inside_y = (y > 0) & (y < self.original_size[1])
        return inside_y[:, None] & inside_x[None, :]

    def map_to_original(
        self, grid: Float[Tensor, "height width"], mode: str = "nearest"
    ) -> Float[Tensor, "height_original width_original"]:
        """A map on the network's grid, resampled to every pixel of the original photo.

        ``mode`` is ``nearest`` (depth: never mixes front and back) or ``bilinear`` (never mixes in
        padding). Pixels that the network did not see (cut off by a crop) are 0.
        """
        grid_width, grid_height = self.processed_size
        if tuple(grid.shape) != (grid_height, grid_width):
            raise InputError(
                f"a map of shape {tuple(grid.shape)} came, but this photo was processed at "
                f"{(grid_height, grid_width)} (height, width)"
            )
        if mode not in ("nearest", "bilinear"):
            raise InputError(f"unknown resampling mode {mode!r}: use 'nearest' or 'bilinear'")
        # The way back is affine per axis, so columns and rows are resampled one after the other.
        return self._resample(self._resample(grid, 0, mode), 1, mode)

    def _resample(
        self, grid: Float[Tensor, "rows columns"], axis: int, mode: str
    ) -> Float[Tensor, "rows_out columns_out"]:
        """``grid`` at the original's pixel centres along one axis (0 is x, 1 is y)."""
        length, scale, offset = self.processed_size[axis], self.scale[axis], self.offset[axis]
        centers = torch.arange(self.original_size[axis], dtype=torch.float64, device=grid.device)
        centers = (centers + 0.5) * scale + offset
        seen = (centers > 0) & (centers < length)
        dim = 1 - axis
        # One more entry, 0, stands for everything out of sight.
        entries = torch.cat([grid, torch.zeros_like(grid.narrow(dim, 0, 1))], dim)

        def take(index: Tensor) -> Tensor:
            return entries.index_select(dim, torch.where(seen, index, length))

        if mode == "nearest":
            return take(centers.floor().long().clamp(0, length - 1))
        first = max(0, round(offset))
        last = min(length, round(offset + self.original_size[axis] * scale)) - 1
        position = (centers - 0.5).clamp(first, last)
        before = position.floor().long()
        weight = (position - before).to(grid.dtype)
        after = (before + 1).clamp(max=last)
        return take(before).lerp_(take(after), weight if dim == 1 else weight[:, None])


@dataclass(frozen=True)
class SkippedPhoto:
    """A photo that was asked for and could not be used, and why."""

    source: str
    reason: str


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

    def __post_init__(self) -> None:
        """Refuse lists of different lengths."""
        counts = {len(self.images), len(self.names), len(self.sources), len(self.placements)}
        if len(counts) != 1:
            raise InputError(f"an ImageBatch needs one name, source and placement a view: {counts}")

    @property
    def content_mask(self) -> Bool[Tensor, "views height width"]:
        """True where a photo is, False on padding."""
        return torch.stack([placement.content_mask() for placement in self.placements])


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras of one scene.

    ``cam_from_world`` is [R | t] with OpenCV axes; ``intrinsics`` are in pixels of images whose
    (width, height) is ``image_sizes``, the top-left pixel's centre at (0.5, 0.5).
    """

    cam_from_world: Float[Tensor, "views 3 4"]
    intrinsics: Float[Tensor, "views 3 3"]
    image_sizes: Int[Tensor, "views 2"]

    def __len__(self) -> int:
        return len(self.cam_from_world)

    @property
    def centers(self) -> Float[Tensor, "views 3"]:
        """Where the cameras stand, in the world frame."""
        return camera_centers(self.cam_from_world)


@dataclass(frozen=True)
class Tracks:
    """Where query points of the reference view appear in every view, in original pixels."""

    positions: Float[Tensor, "views queries 2"]
    visibility: Float[Tensor, "views queries"]
    confidence: Float[Tensor, "views queries"]


@dataclass(frozen=True)
class Predictions:
    """What the network said: batched, differentiable, on the network's grid; None if not asked for.

    Depth and points are at the network's own scale, in the frame of each scene's first camera.
    ``*_conf`` is at least 1 and grows with certainty; only its order means something. The
    iterations' last entry equals the plain field.
    """

    image_size: tuple[int, int]  # (height, width)
    pose_enc: Float[Tensor, "batch views 9"] | None = None
    pose_enc_iterations: Float[Tensor, "iterations batch views 9"] | None = None
    depth: Float[Tensor, "batch views height width"] | None = None
    depth_conf: Float[Tensor, "batch views height width"] | None = None
    points_world: Float[Tensor, "batch views height width 3"] | None = None
    points_conf: Float[Tensor, "batch views height width"] | None = None
    tracks: Float[Tensor, "batch views queries 2"] | None = None
    tracks_iterations: Float[Tensor, "iterations batch views queries 2"] | None = None
    visibility: Float[Tensor, "batch views queries"] | None = None
    track_conf: Float[Tensor, "batch views queries"] | None = None

    def cameras(
        self,
    ) -> tuple[Float[Tensor, "batch views 3 4"], Float[Tensor, "batch views 3 3"]]:
        """``cam_from_world`` and intrinsics (pixels of the network's grid) of every view."""
        if self.pose_enc is None:
            raise InputError("these predictions hold no cameras: ask the model for 'camera'")
        height, width = self.image_size
        return decode_pose(self.pose_enc, height, width)

    def as_dict(self) -> dict[str, Tensor | list[Tensor]]:
        """The published model's keys and shapes (depth with a trailing 1), without what is None."""
        published = {
            "pose_enc": self.pose_enc,
            "depth": None if self.depth is None else self.depth.unsqueeze(-1),
            "depth_conf": self.depth_conf,
            "world_points": self.points_world,
            "world_points_conf": self.points_conf,
            "track": self.tracks,
            "vis": self.visibility,
            "conf": self.track_conf,
        }
        out: dict[str, Tensor | list[Tensor]] = {
            key: value for key, value in published.items() if value is not None
        }
        if self.pose_enc_iterations is not None:
            out["pose_enc_list"] = list(self.pose_enc_iterations)
        return out

    def to_reconstruction(
        self, batch: ImageBatch, model: str = "", scene: int = 0
    ) -> "Reconstruction":
        """One scene for a person: cameras for the original photos, points in the world.

        A field of view that no pinhole camera has (the network may say 0) becomes the nearest that
        one can have, so that files stay readable; reports warn of it. World points come from depth
        and cameras where depth was predicted (more accurate than the point head, VGGT section
        4.3), otherwise from the point head.
        """
        if self.pose_enc is None:
            raise InputError("a scene needs cameras: ask the model for 'camera'")
        pose_enc = self.pose_enc[scene].detach().float().cpu()
        pose_enc = torch.cat([pose_enc[:, :7], pose_enc[:, 7:].clamp(*PINHOLE_FOV)], dim=-1)
        cam_from_world, intrinsics = decode_pose(pose_enc, *self.image_size)
        if len(cam_from_world) != len(batch.names):
            raise InputError(
                f"these predictions have {len(cam_from_world)} views, the images {len(batch.names)}"
            )
        sizes = torch.tensor([placement.original_size for placement in batch.placements])
        original = [
            placement.intrinsics_to_original(matrix)
            for placement, matrix in zip(batch.placements, intrinsics, strict=True)
        ]

        def pick(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[scene].detach().float().cpu()

        depth, points, points_from = pick(self.depth), pick(self.points_world), "points"
        confidence = pick(self.points_conf)
        if depth is not None:
            points, points_from = unproject_depth(depth, cam_from_world, intrinsics), "depth"
            confidence = pick(self.depth_conf)
        return Reconstruction(
            names=batch.names,
            sources=batch.sources,
            placements=batch.placements,
            cameras=Cameras(cam_from_world, torch.stack(original), sizes),
            colors=(batch.images.detach().cpu() * 255)
            .round()
            .clamp(0, 255)
            .to(torch.uint8)
            .permute(0, 2, 3, 1),
            mask=batch.content_mask,
            depth=depth,
            points_world=points,
            confidence=confidence,
            points_from=None if points is None else points_from,
            tracks=self._tracks_in_originals(batch, scene),
            model=model,
        )

    def _tracks_in_originals(self, batch: ImageBatch, scene: int) -> Tracks | None:
        if self.tracks is None or self.visibility is None or self.track_conf is None:
            return None
        positions = self.tracks[scene].detach().float().cpu()
        original = [
            placement.to_original(view + TRACK_PIXEL_SHIFT)
            for placement, view in zip(batch.placements, positions, strict=True)
        ]
        return Tracks(
            torch.stack(original),
            self.visibility[scene].detach().float().cpu(),
            self.track_conf[scene].detach().float().cpu(),
        )


@dataclass(frozen=True)
class Reconstruction:
    """One scene: cameras of the original photos, depth and points on the network's grid.

    The world is the reference (first) camera's frame with OpenCV axes; lengths are in ``units``
    ("arbitrary" until a scale is known). ``mask`` is False on padding. ``points_world`` were made
    from ``points_from``: "depth" or the network's "points" head. ``report`` is JSON-ready: how
    the scene was made.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    placements: tuple[Placement, ...]
    cameras: Cameras
    colors: UInt8[Tensor, "views height width 3"]
    mask: Bool[Tensor, "views height width"]
    depth: Float[Tensor, "views height width"] | None = None
    points_world: Float[Tensor, "views height width 3"] | None = None
    confidence: Float[Tensor, "views height width"] | None = None
    points_from: str | None = None
    tracks: Tracks | None = None
    model: str = ""
    units: str = "arbitrary"
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def num_views(self) -> int:
        """How many photos the scene has."""
        return len(self.names)
