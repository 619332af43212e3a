"""From matches to measured poses: the door of mapping.

The best of several attempts (:mod:`glance3d.refinement.mapping.attempts`), bundle-adjusted until it
converges.
"""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError, NotEnoughMemoryError
from glance3d.images import Originals
from glance3d.models import VGGT, Network
from glance3d.models.weights.cards import is_good_at
from glance3d.models.weights.weights_card import Ability
from glance3d.multiview.pure_rotation import is_pure_rotation
from glance3d.refinement.mapping.attempt_results import AttemptResult
from glance3d.refinement.mapping.attempts import is_enough, run_attempts
from glance3d.refinement.mapping.bundle_adjustment import adjust_once, adjust_until_converged
from glance3d.refinement.mapping.components import Component
from glance3d.refinement.mapping.global_mapping import map_globally
from glance3d.refinement.mapping.inside_out import map_inside_out
from glance3d.refinement.mapping.mapper import MIN_OBSERVATIONS, num_supported
from glance3d.refinement.mapping.match_inliers import count_match_inliers
from glance3d.refinement.mapping.refined_tracks import with_refined_tracks
from glance3d.refinement.mapping.remapping import map_again, misfit_views
from glance3d.refinement.matching.learned.learned_matches import add_learned_matches
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.matching.network_tracks import add_network_tracks
from glance3d.refinement.pycolmap_interface import posed_images

logger = logging.getLogger(__name__)

# Pixels at a diagonal of 1000; the features' own precision is far below.
_MAX_ERROR = 3.0
# A known focal length is compared where so many photos, and so many points of a photo, determine
# one.
_FEWEST_FOR_FOCAL = 3
_FEWEST_POINTS_FOR_FOCAL = 50
# Matches beside SIFT's, in the order in which they are tried.
_FURTHER_MATCHES: dict[Ability, Callable[..., MatchedPhotos]] = {
    "matches": add_learned_matches,
    "tracks": add_network_tracks,
}


@dataclass(frozen=True)
class Registration:
    """A COLMAP reconstruction of the views that have matches enough, and how it came about.

    ``held_poses`` are the known poses that were held, by view: the reconstruction, if there is one,
    is in their frame. ``images`` are the reconstruction's with a pose, by view. ``attempts`` is
    JSON-ready. ``free_focal_lengths``: what the focal lengths of views with known intrinsics would
    be, in pixels, were they adjusted with the rest. ``by_network`` are the views that only matches
    of a network's descriptors connect to most of the others. ``components`` are groups of other
    photos, each held together by points, that nothing measured connects with the reconstruction.
    ``refined_tracks`` is JSON-ready: how observations of the reconstruction and of each other group
    were moved on the photos; None where they were not.
    """

    reconstruction: Any | None
    photos: MatchedPhotos
    camera_of_view: tuple[int, ...]
    held_poses: dict[int, Float[Tensor, "3 4"]]
    attempts: tuple[dict[str, Any], ...]
    images: Mapping[int, Any] = field(default_factory=dict)
    free_focal_lengths: Mapping[int, float] = field(default_factory=dict)
    by_network: frozenset[int] = frozenset()
    components: tuple[Component, ...] = ()
    refined_tracks: tuple[Mapping[str, Any], ...] | None = None

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

    ``network`` gives the network when it is wanted: for its tracks where they were asked for, and
    where SIFT leaves photos without enough matches for its descriptors or tracks, as far as the
    model's card says that they are good.
    """
    choice = photos.options.correspondences
    if choice not in ("auto", "sift"):
        if network is None:
            raise InputError(f"correspondences {choice!r} need the network: give refine a network")
        tracked = add_network_tracks(photos, network(), originals, progress=progress)
        return _register(tracked, originals, progress)
    best = _register(photos, originals, progress)
    if choice == "sift" or network is None or photos.scene.num_views < 2:
        return best
    for ability, add in _FURTHER_MATCHES.items():
        if best.num_supported >= photos.scene.num_views:
            break
        if is_good_at(photos.scene.model, ability) and _has(network(), ability):
            try:
                further = add(photos, network(), originals, progress=progress)
            except NotEnoughMemoryError as error:
                logger.warning("warning: no %s of the network beside SIFT's: %s", ability, error)
                continue
            best = _better(best, _register(further, originals, progress))
    return best


def _has(network: Network, ability: Ability) -> bool:
    """Whether a network has what gives these matches."""
    if not isinstance(network, VGGT):
        return False
    return ability != "matches" or network.correspondence_head is not None


def _better(earlier: Registration, further: Registration) -> Registration:
    """The further one if our checks do not say that it is wrong; with the attempts of both."""
    attempts = earlier.attempts + further.attempts
    return replace(further if _is_improved(further, earlier) else earlier, attempts=attempts)


def _is_improved(tracked: Registration, by_sift: Registration) -> bool:
    """Whether more photos are held, and what SIFT matched is explained no worse than by it."""
    if tracked.num_supported <= by_sift.num_supported:
        return False
    view_graph, cameras = by_sift.photos.view_graph, by_sift.photos.scene.cameras
    # Both are counted on SIFT's matches, which tracks had no part in.
    alone, together = (
        count_match_inliers(view_graph, cameras, one.reconstruction, one.photos.image_ids).explained
        for one in (by_sift, tracked)
    )
    return together >= alone


def _register(photos: MatchedPhotos, originals: Originals, progress: bool) -> Registration:
    """The best of all attempts on these matches, adjusted."""
    best, attempts = None, ()
    # Between photos from one place any cameras fit, if their lenses may be chosen freely.
    if not _is_rotation_only(photos):
        best, attempts = run_attempts(photos)
    if best is not None and not is_enough(best, photos):
        best, at_once = map_globally(photos, best)
        attempts += at_once
    if best is not None:
        best, turned = map_inside_out(photos, best)
        attempts += turned
    if best is not None and photos.sift_graph is not None and not best.attempt.fixed_poses:
        best, again = map_again(photos, best)
        attempts += again
    if best is None:
        camera_ids = photos.initial_cameras.camera_ids
        return Registration(None, photos, camera_ids, photos.held_poses, attempts)
    parts, refined_tracks = _adjust_parts(photos, best.components(photos), originals, progress)
    best = parts[0]
    components = [
        Component(one.reconstruction, posed_images(one.reconstruction, photos.image_ids))
        for one in parts
    ]
    return Registration(
        best.reconstruction,
        photos,
        best.attempt.setup.assignment.camera_of_view,
        best.attempt.fixed_poses,
        attempts,
        components[0].images,
        _free_focal_lengths(photos, best),
        _held_by_network(photos, best.reconstruction),
        tuple(one for one in components[1:] if len(one.images) >= 2),
        refined_tracks,
    )


def _adjust_parts(
    photos: MatchedPhotos, parts: Sequence[AttemptResult], originals: Originals, progress: bool
) -> tuple[list[AttemptResult], tuple[dict[str, Any], ...] | None]:
    """Every part adjusted; where a network's matches are in them, after its tracks were refined."""
    measured = photos.sift_graph is None  # in sub-pixels already: features of SIFT alone
    for one in parts:
        _adjust(photos, one, tighten=measured)
    if measured:
        return list(parts), None
    refined, records = [], []
    for one in parts:
        reconstruction, record = with_refined_tracks(
            one.reconstruction,
            photos.image_ids,
            originals,
            lambda model, part=one: _adjust(
                photos, replace(part, reconstruction=model), tighten=True
            ),
            max_error=_MAX_ERROR * photos.scene.cameras.pixel_unit,
            max_image_size=photos.options.max_image_size,
            progress=progress,
        )
        refined.append(replace(one, reconstruction=reconstruction))
        records.append(record)
    return refined, tuple(records)


def _held_by_network(photos: MatchedPhotos, reconstruction: Any) -> frozenset[int]:
    """Views outside the largest group that SIFT's matches hold together by themselves."""
    if photos.sift_graph is None:
        return frozenset()
    images = posed_images(reconstruction, photos.image_ids)
    misfits = misfit_views(photos, reconstruction, photos.sift_graph)
    return frozenset(images.keys() & misfits)


def _is_rotation_only(photos: MatchedPhotos) -> bool:
    """Whether no pair of photos has parallax: there is nothing to measure."""
    pairs = photos.view_graph.pairs
    if not pairs or not all(pair.flat for pair in pairs):
        return False
    cameras = photos.scene.cameras, photos.initial_cameras.to_cameras()
    return all(is_pure_rotation(pair, *cameras) for pair in pairs)


def _adjust(photos: MatchedPhotos, result: AttemptResult, *, tighten: bool = False) -> None:
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
        "tighten": tighten,
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
