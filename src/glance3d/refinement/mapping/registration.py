"""From matches to measured poses: the door of mapping.

The best of several attempts (:mod:`glance3d.refinement.mapping.attempts`), bundle-adjusted until it
converges.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.images import Originals
from glance3d.models import Network
from glance3d.models.weights.cards import is_good_at
from glance3d.multiview.pure_rotation import is_pure_rotation
from glance3d.refinement.mapping.attempts import AttemptResult, run_attempts
from glance3d.refinement.mapping.bundle_adjustment import adjust_once, adjust_until_converged
from glance3d.refinement.mapping.mapper import MIN_OBSERVATIONS, num_supported
from glance3d.refinement.mapping.match_inliers import count_match_inliers
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.matching.network_tracks import add_network_tracks
from glance3d.refinement.pycolmap_interface import posed_images

# Pixels at a diagonal of 1000; the features' own precision is far below.
_MAX_ERROR = 3.0
# A known focal length is compared where so many photos, and so many points of a photo, determine
# one.
_FEWEST_FOR_FOCAL = 3
_FEWEST_POINTS_FOR_FOCAL = 50


@dataclass(frozen=True)
class Registration:
    """A COLMAP reconstruction of the views that have matches enough, and how it came about.

    ``held_poses`` are the known poses that were held, by view: the reconstruction, if there is one,
    is in their frame. ``images`` are the reconstruction's with a pose, by view. ``attempts`` is
    JSON-ready. ``free_focal_lengths``: what the focal lengths of views with known intrinsics would
    be, in pixels, were they adjusted with the rest.
    """

    reconstruction: Any | None
    photos: MatchedPhotos
    camera_of_view: tuple[int, ...]
    held_poses: dict[int, Float[Tensor, "3 4"]]
    attempts: tuple[dict[str, Any], ...]
    images: Mapping[int, Any] = field(default_factory=dict)
    free_focal_lengths: Mapping[int, float] = field(default_factory=dict)

    @property
    def num_supported(self) -> int:
        """How many views have observations enough to hold them."""
        return 0 if self.reconstruction is None else num_supported(self.reconstruction)


def register_views(
    photos: MatchedPhotos,
    originals: Originals,
    *,
    network: Callable[[], Network] | None = None,
    progress: bool = False,
) -> Registration:
    """Find the poses that the matches determine, adjusted until they converge.

    ``network`` gives the network when its tracks are wanted: where they were asked for, or where
    SIFT leaves photos without enough matches and the model's tracks are known to be of use.
    """
    choice, scene = photos.options.correspondences, photos.scene
    by_sift = None
    if choice in ("auto", "sift"):
        by_sift = _register(photos)
        is_complete = by_sift.num_supported >= scene.num_views
        is_useless = choice == "auto" and not is_good_at(scene.model, "tracks")
        if choice == "sift" or network is None or is_complete or is_useless:
            return by_sift
    if network is None:
        raise InputError(f"correspondences {choice!r} need the network: give refine a network")
    tracked = _register(add_network_tracks(photos, network(), originals, progress=progress))
    if by_sift is None:
        return tracked
    if not _is_improved(tracked, by_sift):
        return by_sift
    return replace(tracked, attempts=by_sift.attempts + tracked.attempts)


def _is_improved(tracked: Registration, by_sift: Registration) -> bool:
    """Whether tracks hold more photos, and explain what SIFT matched no worse than it does."""
    if tracked.num_supported <= by_sift.num_supported:
        return False
    view_graph, cameras = by_sift.photos.view_graph, by_sift.photos.scene.cameras
    # Both are counted on SIFT's matches, which tracks had no part in.
    alone, together = (
        count_match_inliers(view_graph, cameras, one.reconstruction, one.photos.image_ids).explained
        for one in (by_sift, tracked)
    )
    return together >= alone


def _register(photos: MatchedPhotos) -> Registration:
    """The best of all attempts on these matches, adjusted."""
    best, attempts = None, ()
    # Between photos from one place any cameras fit, if their lenses may be chosen freely.
    if not _is_rotation_only(photos):
        best, attempts = run_attempts(photos)
    if best is None:
        camera_ids = photos.initial_cameras.camera_ids
        return Registration(None, photos, camera_ids, photos.held_poses, attempts)
    _adjust(photos, best)
    return Registration(
        best.reconstruction,
        photos,
        best.attempt.setup.assignment.camera_of_view,
        best.attempt.fixed_poses,
        attempts,
        posed_images(best.reconstruction, photos.image_ids),
        _free_focal_lengths(photos, best),
    )


def _is_rotation_only(photos: MatchedPhotos) -> bool:
    """Whether no pair of photos has parallax: there is nothing to measure."""
    pairs = photos.view_graph.pairs
    if not pairs or not all(pair.flat for pair in pairs):
        return False
    cameras = photos.scene.cameras, photos.initial_cameras.to_cameras()
    return all(is_pure_rotation(pair, *cameras) for pair in pairs)


def _adjust(photos: MatchedPhotos, result: AttemptResult) -> None:
    """Adjust until it converges, drop views that next to no point holds, and adjust again."""
    reconstruction, attempt = result.reconstruction, result.attempt
    fixed = [photos.image_ids[view] for view in attempt.fixed_poses]
    settings: dict[str, Any] = {
        "max_error": _MAX_ERROR * photos.scene.cameras.pixel_unit,
        "min_angle": attempt.thresholds.min_angle_of_points,
        "fixed_images": fixed,
        "constant_cameras": attempt.setup.assignment.constant_ids,
        # Two views do not determine a focal length.
        "refine_focal": reconstruction.num_reg_images() > 2,
    }
    adjust_until_converged(reconstruction, **settings)
    weak = [
        image.frame_id
        for image in reconstruction.images.values()
        if image.has_pose and image.num_points3D < MIN_OBSERVATIONS and image.image_id not in fixed
    ]
    if weak:
        # Their few observations go with them, and points that fewer than two views then see.
        for frame_id in weak:
            reconstruction.deregister_frame(frame_id)
        adjust_until_converged(reconstruction, **settings)


def _free_focal_lengths(photos: MatchedPhotos, result: AttemptResult) -> dict[int, float]:
    """By view, what known focal lengths would be if they were adjusted, as far as photos tell."""
    reconstruction = result.reconstruction
    constant = set(result.attempt.setup.assignment.constant_ids)
    if not constant or reconstruction.num_reg_images() < _FEWEST_FOR_FOCAL:
        return {}
    free = copy.deepcopy(reconstruction)
    fixed = [photos.image_ids[view] for view in result.attempt.fixed_poses]
    adjust_once(free, _MAX_ERROR * photos.scene.cameras.pixel_unit, fixed_images=fixed)
    return {
        view: float(free.camera(image.camera_id).mean_focal_length())
        for view, image in posed_images(free, photos.image_ids).items()
        if image.camera_id in constant and image.num_points3D >= _FEWEST_POINTS_FOR_FOCAL
    }
