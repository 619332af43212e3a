"""Focal lengths after refinement: compared with what is stated, and with each other.

Bundle adjustment gives the photos of one camera one focal length, unless an attempt with a camera
of its own for every photo explains more. Such focal lengths of one camera agree to within a
hundredth where the photos determine them (14 photos of two real sets: at most 0.9 % from their
median); where they drift, something else was adjusted away.
"""

import math
from collections.abc import Sequence

import torch

from glance3d.known_cameras import KnownViews
from glance3d.refinement.mapping.registration import Registration
from glance3d.refinement.matching.shared_cameras import shared_camera_ids
from glance3d.refinement.options import RefineOptions
from glance3d.reporting.warnings import focal_warnings, stated_focal_lengths
from glance3d.types import Reconstruction

#: Between a stated focal length and the refined one.
CONTRADICTING_FACTOR = 1.1
#: Between the focal lengths of one camera: five times what was seen where they are determined.
DRIFT_FACTOR = 1.05
#: Of one camera's photos: beyond, it is not some photos that are odd, but the camera that drifts.
_MANY = 0.25
#: Fields of view in degrees along the longer side that lenses have without a file that says so.
USUAL_FIELDS = (8.0, 130.0)


def refined_focal_lengths(scene: Reconstruction, registration: Registration) -> list[float | None]:
    """What the photos say: the measured ones, or what held ones would be if they were free.

    Pixels of the original photos; None where the photos say nothing.
    """
    known, measured = registration.photos.known, registration.images
    is_held = [False] * scene.num_views if known is None else known.has_intrinsics.tolist()
    return [
        registration.free_focal_lengths.get(view) if held else length if view in measured else None
        for view, (length, held) in enumerate(zip(_focal_lengths(scene), is_held, strict=True))
    ]


def contradicted_focal_lengths(scene: Reconstruction, registration: Registration) -> list[str]:
    """A warning where the photos contradict what is stated of their focal lengths."""
    refined, known = refined_focal_lengths(scene, registration), registration.photos.known
    stated = None if known is None else known.focal_lengths
    return focal_warnings(scene, refined, stated, CONTRADICTING_FACTOR)


def focal_doubts(
    scene: Reconstruction,
    registered_by: Sequence[str],
    options: RefineOptions,
    known: KnownViews | None = None,
) -> list[str | None]:
    """For each view what speaks against its focal length in the refined scene; None if nothing."""
    focal = _focal_lengths(scene)
    has_known = None if known is None else known.has_intrinsics.tolist()
    adjusted = [
        by == "bundle adjustment" and not (has_known and has_known[view])
        for view, by in enumerate(registered_by)
    ]
    # Photos that were given a camera each on request were nevertheless taken by one, as far as
    # their files and sizes tell.
    grouping = "auto" if options.camera == "per-image" else options.camera
    camera_ids = shared_camera_ids(scene, grouping)
    doubts: list[str | None] = [None] * scene.num_views
    for camera_id in set(camera_ids):
        views = [v for v, own in enumerate(camera_ids) if own == camera_id and adjusted[v]]
        for view in _drifting(views, focal):
            doubts[view] = _drift(view, views, focal)
    stated = stated_focal_lengths(scene)
    for view, length in enumerate(focal):
        if adjusted[view] and doubts[view] is None and not _is_near(length, stated[view]):
            doubts[view] = _odd_field(length, scene.placements[view].original_size)
    return doubts


def _focal_lengths(scene: Reconstruction) -> list[float]:
    """The mean of both axes, in pixels of the original photos."""
    return scene.cameras.intrinsics.double().diagonal(dim1=-2, dim2=-1)[:, :2].mean(-1).tolist()


def _drifting(views: Sequence[int], focal: Sequence[float]) -> list[int]:
    """Those photos of one camera whose focal length is not the others'; all, if many are not."""
    if len(views) < 2:
        return []
    lengths = torch.tensor([focal[view] for view in views], dtype=torch.float64)
    ratios = (lengths / lengths.quantile(0.5)).log().abs()
    odd = [v for v, r in zip(views, ratios.tolist(), strict=True) if r > math.log(DRIFT_FACTOR)]
    return list(views) if len(odd) > _MANY * len(views) else odd


def _drift(view: int, views: Sequence[int], focal: Sequence[float]) -> str:
    lengths = [focal[v] for v in views]
    return (
        f"its focal length is {focal[view]:.0f} px, and those of the {len(views)} photos that seem "
        f"to be of the same camera run from {min(lengths):.0f} to {max(lengths):.0f} px: unless it "
        "was zoomed, its cameras are mistaken"
    )


def _is_near(length: float, stated: tuple[float, str] | None) -> bool:
    if stated is None:
        return False
    return 1 / CONTRADICTING_FACTOR < length / stated[0] < CONTRADICTING_FACTOR


def _odd_field(length: float, size: tuple[int, int]) -> str | None:
    field = 2 * math.degrees(math.atan2(max(size) / 2, length))
    if USUAL_FIELDS[0] <= field <= USUAL_FIELDS[1]:
        return None
    return (
        f"a field of view of {field:.1f} degrees came out, which no file states: distances may be "
        "wrong by a large factor; state the focal length (--cameras)"
    )
