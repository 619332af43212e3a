"""One scene for a person."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from glance3d.geometry.similarity import Similarity
from glance3d.types.cameras import Cameras
from glance3d.types.images import PhotoMetadata
from glance3d.types.masks import Masks, kept_on_grids, kept_pixels
from glance3d.types.photo_content import PhotoContents
from glance3d.types.placement import Placement
from glance3d.types.report import Report

# What ``ViewTrust`` can say: verdicts, worst first, and what a pose rests on; how tracks are
# followed.
VERDICTS = ("unsupported", "weak", "good")
TRACKED_BY = ("network", "matching", "geometry")
REGISTERED_BY = ("network", "bundle adjustment", "component", "similarity", "known")
#: Those that rest on matches between the photos, or on known poses.
HELD_BY_PHOTOS = ("bundle adjustment", "known")


@dataclass(frozen=True)
class Tracks:
    """Where query points appear in every view, in original pixels.

    ``visibility`` and ``confidence`` are in [0, 1]. ``query_views`` says in which view each query
    was placed; None means all in the first view.
    """

    positions: Float[Tensor, "views queries 2"]
    visibility: Float[Tensor, "views queries"]
    confidence: Float[Tensor, "views queries"]
    query_views: Int[Tensor, " queries"] | None = None

    def where_kept(self, masks: Masks) -> "Tracks":
        """The same tracks, invisible (visibility and confidence 0) where masks leave photos out."""
        kept = kept_pixels(masks, self.positions)
        return replace(
            self,
            visibility=torch.where(kept, self.visibility, 0),
            confidence=torch.where(kept, self.confidence, 0),
        )


@dataclass(frozen=True)
class SparsePoints:
    """Points and, sorted by view, who sees which point where.

    Observation ``i`` says: the view ``view_indices[i]`` sees the point ``point_indices[i]`` at the
    pixel ``pixels_original[i]`` of its original photo. Every point has at least one.
    """

    points_world: Float[Tensor, "points 3"]
    colors: UInt8[Tensor, "points 3"]
    view_indices: Int[Tensor, " observations"]
    point_indices: Int[Tensor, " observations"]
    pixels_original: Float[Tensor, "observations 2"]

    def __len__(self) -> int:
        return len(self.points_world)

    @property
    def num_observations(self) -> int:
        """Of all points together."""
        return len(self.view_indices)

    def num_observations_of_each(self) -> Int[Tensor, " points"]:
        """How many views see each point."""
        return torch.bincount(self.point_indices, minlength=len(self.points_world))

    def where_kept(self, masks: Masks) -> "SparsePoints":
        """Without the observations that masks leave out, and the points that nobody sees then."""
        kept = torch.ones(self.num_observations, dtype=torch.bool)
        for view, mask in enumerate(masks):
            if mask is not None:
                own = self.view_indices == view
                kept[own] = mask.keeps(self.pixels_original[own])
        if bool(kept.all()):
            return self
        points, renumbered = self.point_indices[kept].unique(return_inverse=True)
        return SparsePoints(
            self.points_world[points],
            self.colors[points],
            self.view_indices[kept],
            renumbered,
            self.pixels_original[kept],
        )


@dataclass(frozen=True)
class ViewTrust:
    """How far one photo's camera and depth can be trusted, and why.

    ``registered_by`` is what its pose rests on: "network" (the feed-forward guess), "bundle
    adjustment", "component" (measured with some photos that nothing measured connects with the
    others, among which they are put by a guess), "similarity" (the guess, moved into the refined
    frame) or "known" (it was given).
    Errors are distances in original pixels between tracks and their points' projections;
    ``depth_agreement`` is the share of its tracks whose depth map agrees with them, None without
    tracks or depth. ``verdict`` is "good", "weak" or "unsupported".
    """

    registered_by: str
    num_tracks: int
    median_error_px: float | None
    p90_error_px: float | None
    depth_agreement: float | None
    verdict: str
    reason: str


@dataclass(frozen=True)
class Reconstruction:
    """One scene: cameras of the original photos, depth and points on one pixel grid.

    The grid is the network's, or a finer one where depth was measured again. ``world`` says whose
    frame the world is: the reference camera's with OpenCV axes, unless known cameras or GPS gave
    another; ``reference_view`` is the view that the network was shown first, from which it saw all
    others. Lengths are in ``units`` ("arbitrary" until a scale is known, then "metre").
    ``mask`` is False on padding and where a photo's own mask (``masks``, one a view, None for a
    photo without; empty if none has one) leaves it out: depth and confidence are 0 there in a scene
    with masks, no point is exported and nothing is measured. ``points_world`` were made from
    ``points_from``: "depth" or the network's "points" head. ``sparse`` are measured points:
    multi-view tracks, triangulated. ``consistent`` is False where other views' depth contradicts a
    pixel's, ``measured`` True where depth was measured from the photos and not guessed. ``trust``
    has one judgement a view. ``sources`` are absolute paths, ``contents`` what was in those files
    and ``copies`` what is in the upright copies in ``images/`` beside the saved scene (None where
    not known; empty if none is); ``home`` is the folder that a saved scene was loaded from, None
    for a scene of this process. ``mask_input`` says whether the network saw photos without what
    their masks leave out, ``tracked_by`` how ``tracks`` were followed, one of
    ``TRACKED_BY``, ``registered_by`` (of a refined scene) what each camera rests on, one of
    ``REGISTERED_BY``. ``report`` says how the scene was made; nothing is decided by reading it.
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
    world: str = "reference camera"
    metadata: tuple[PhotoMetadata, ...] = ()
    sparse: SparsePoints | None = None
    consistent: Bool[Tensor, "views height width"] | None = None
    measured: Bool[Tensor, "views height width"] | None = None
    trust: tuple[ViewTrust, ...] | None = None
    masks: Masks = ()
    reference_view: int = 0
    contents: PhotoContents = ()
    copies: PhotoContents = ()
    home: Path | None = None
    mask_input: bool = False
    tracked_by: str | None = None
    registered_by: tuple[str, ...] = ()
    report: Report = field(default=Report())

    @property
    def num_views(self) -> int:
        """How many photos the scene has."""
        return len(self.names)

    @property
    def has_masks(self) -> bool:
        """Whether any photo has a mask."""
        return any(mask is not None for mask in self.masks)

    def of_views(self, views: Sequence[int]) -> "Reconstruction":
        """Some views, in this order, without what ties views together: tracks and measured points.

        Which one was the reference is forgotten, too.
        """
        index = list(views)

        def part(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[index]

        def parts(values: tuple) -> tuple:
            return tuple(values[view] for view in index) if values else ()

        return replace(
            self,
            names=parts(self.names),
            sources=parts(self.sources),
            placements=parts(self.placements),
            cameras=self.cameras.of_views(index),
            colors=self.colors[index],
            mask=self.mask[index],
            depth=part(self.depth),
            points_world=part(self.points_world),
            confidence=part(self.confidence),
            tracks=None,
            tracked_by=None,
            registered_by=parts(self.registered_by),
            metadata=parts(self.metadata),
            sparse=None,
            consistent=part(self.consistent),
            measured=part(self.measured),
            trust=parts(self.trust) if self.trust else None,
            masks=parts(self.masks),
            reference_view=0,
            contents=parts(self.contents),
            copies=parts(self.copies),
        )

    def masked(self) -> "Reconstruction":
        """The scene without what its photos' masks leave out; as it is, if none has one.

        Depth and confidence become 0 there, and points their camera's centre, as depth 0 has it.
        Observations there are forgotten, and nothing is visible there.
        """
        if not self.has_masks:
            return self
        mask = self.mask & kept_on_grids(self.placements, self.masks)

        def blank(values: Tensor | None) -> Tensor | None:
            return None if values is None else torch.where(mask, values, 0)

        points, tracks, sparse = self.points_world, self.tracks, self.sparse
        if points is not None:
            points = torch.where(mask[..., None], points, self.cameras.centers[:, None, None])
        return replace(
            self,
            mask=mask,
            depth=blank(self.depth),
            confidence=blank(self.confidence),
            points_world=points,
            tracks=tracks and tracks.where_kept(self.masks),
            sparse=sparse and sparse.where_kept(self.masks),
            consistent=None if self.consistent is None else self.consistent & mask,
            measured=None if self.measured is None else self.measured & mask,
        )

    def moved(
        self, new_from_world: Similarity, *, units: str | None = None, world: str | None = None
    ) -> "Reconstruction":
        """The same scene in another world: cameras, depth and points, moved and scaled together."""

        def points_moved(points: Tensor) -> Tensor:
            return new_from_world.transform_points(points.double()).to(points.dtype)

        poses = self.cameras.cam_from_world
        moved_poses = new_from_world.transform_cameras(poses.double()).to(poses.dtype)
        points, sparse = self.points_world, self.sparse
        return replace(
            self,
            cameras=replace(self.cameras, cam_from_world=moved_poses),
            depth=None if self.depth is None else self.depth * new_from_world.scale,
            points_world=None if points is None else points_moved(points),
            sparse=sparse and replace(sparse, points_world=points_moved(sparse.points_world)),
            units=units or self.units,
            world=world or self.world,
        )
