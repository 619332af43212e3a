"""An attempt of the mapping, what came of it, and into which components that falls."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from glance3d.refinement.mapping.components import split_models
from glance3d.refinement.mapping.mapper import MapperThresholds, StartingPoses
from glance3d.refinement.mapping.match_inliers import MatchInliers, count_match_inliers
from glance3d.refinement.matching.initial_cameras import CameraAssignment
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.pycolmap_interface import posed_images

# An attempt must explain this many times as much as an earlier one, whose premises were stricter.
_CLEARLY = 1.05
# Of the matches between the photos of a component.
_COMPONENT_EXPLAINED = 0.65


@dataclass(frozen=True)
class CameraSetup:
    """A copy of the photos' database in which the views have certain cameras."""

    database: Path
    assignment: CameraAssignment


@dataclass(frozen=True)
class Attempt:
    """Where the mapping starts, and what it accepts."""

    name: str
    setup: CameraSetup
    thresholds: MapperThresholds
    start: StartingPoses | None = None

    @property
    def fixed_poses(self) -> dict[int, Float[Tensor, "3 4"]]:
        """By view, the poses that must not move."""
        return self.start.poses if self.start is not None and self.start.fixed else {}


@dataclass(frozen=True)
class AttemptResult:
    """A COLMAP reconstruction, and how many of the matches it explains.

    ``others`` are the smaller models of the same attempt, ``earlier`` what other attempts gave.
    """

    attempt: Attempt
    reconstruction: Any
    inliers: MatchInliers
    others: tuple[Any, ...] = ()
    earlier: tuple["AttemptResult", ...] = ()

    @property
    def models(self) -> tuple[Any, ...]:
        """The reconstruction and the smaller ones."""
        return self.reconstruction, *self.others

    def is_better_than(self, other: "AttemptResult") -> bool:
        """Whether it explains clearly more of what matches."""
        return self.inliers.explained > _CLEARLY * other.inliers.explained

    def components(self, photos: MatchedPhotos) -> list["AttemptResult"]:
        """Groups of photos that points hold together, this result's largest first.

        What other attempts gave counts for photos that this one does not hold. With known poses all
        are in one frame.
        """
        if self.attempt.fixed_poses:
            return [self]
        results = [self, *self.earlier]
        owned = [(r, model) for r in results for model in r.models]
        first, *others = [
            replace(owned[index][0], reconstruction=part, others=(), earlier=())
            for index, part in split_models([model for _, model in owned])
        ]
        counted = [replace(one, inliers=inliers_inside(photos, one)) for one in others]
        return [first, *(one for one in counted if one.inliers.share >= _COMPONENT_EXPLAINED)]


def views_of(photos: MatchedPhotos, result: AttemptResult) -> set[int]:
    """The views that have a pose."""
    return set(posed_images(result.reconstruction, photos.image_ids))


def inliers_inside(
    photos: MatchedPhotos, result: AttemptResult, views: set[int] | None = None
) -> MatchInliers:
    """Matches between the result's views, or some of them: explained ones, and all."""
    views = views_of(photos, result) if views is None else views
    graph = photos.view_graph
    inside = tuple(pair for pair in graph.pairs if {pair.first, pair.second} <= views)
    return count_match_inliers(
        replace(graph, pairs=inside), photos.scene.cameras, result.reconstruction, photos.image_ids
    )
