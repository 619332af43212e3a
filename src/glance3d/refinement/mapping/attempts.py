"""From matches to poses: what is tried, in which order, until every photo is held.

1. The poses that are given or guessed, as far as the photos confirm them, as a seed.
2. From the best pair of photos, carefully, then more and more leniently.
3. Once more with a camera of its own for every photo, where shared ones may have been the mistake.

The next one is tried while photos with matches are missing, or too many matches contradict the
poses; the attempt that explains most matches is kept.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.images import Originals
from glance3d.known_cameras import KnownViews, agreement_with_poses, settle_reading
from glance3d.models import VGGT
from glance3d.models.weights.cards import is_good_at
from glance3d.multiview.epipolar_errors import pixel_unit
from glance3d.multiview.pure_rotation import is_pure_rotation
from glance3d.refinement.mapping.bundle_adjustment import adjust_once, adjust_until_converged
from glance3d.refinement.mapping.mapper import (
    LENIENT,
    MIN_OBSERVATIONS,
    NORMAL,
    RELAXED,
    STRICT,
    MapperThresholds,
    Seed,
    map_views,
    num_supported,
)
from glance3d.refinement.mapping.pose_verification import PoseVerification, verify_poses
from glance3d.refinement.matching.match_inliers import MatchInliers, count_match_inliers
from glance3d.refinement.matching.matched_photos import CameraSetup, MatchedPhotos, match_photos
from glance3d.refinement.matching.network_tracks import with_network_tracks
from glance3d.refinement.options import RefineOptions
from glance3d.types import Reconstruction

# Pixels at a diagonal of a thousand; the features' own precision is far below.
_MAX_ERROR = 3.0
_GUESS_ANGLES = (8.0, 4.0, 2.0)
_KNOWN_ANGLES = (2.0,)
# A reconstruction that explains less of the matches may have a wrong lens, or wrong twins.
_WELL_EXPLAINED = 0.89
# An attempt must be this much better than an earlier one, whose premises were stricter.
_CLEARLY = 1.05
# A known focal length is held against the photos where so many, and so many points, determine one.
_FEWEST_FOR_FOCAL = 3
_FEWEST_POINTS_FOR_FOCAL = 50


@dataclass(frozen=True)
class Registration:
    """A COLMAP reconstruction of the views that could be held, and how it came about.

    ``given`` are the known poses that were held: the reconstruction, if there is one, is in their
    frame. ``confirmation`` is what the photos say of the network's poses, ``known_confirmation`` of
    known ones. ``attempts`` is JSON-ready. ``free_focal_lengths``: what the focal lengths of views
    with known intrinsics would be, in pixels, were they adjusted with the rest.
    """

    reconstruction: Any | None
    shop: MatchedPhotos
    camera_of_view: tuple[int, ...]
    given: dict[int, Float[Tensor, "3 4"]]
    confirmation: PoseVerification
    known_confirmation: PoseVerification | None
    attempts: tuple[dict[str, Any], ...]
    free_focal_lengths: Mapping[int, float] = field(default_factory=dict)

    @property
    def measured_views(self) -> set[int]:
        """The views that the reconstruction holds."""
        ids = self.shop.image_ids
        content = self.reconstruction
        if content is None:
            return set()
        return {
            view
            for view, image_id in enumerate(ids)
            if content.exists_image(image_id) and content.image(image_id).has_pose
        }

    @property
    def num_supported(self) -> int:
        """How many views have observations enough to hold them."""
        return 0 if self.reconstruction is None else num_supported(self.reconstruction)

    def after(self, earlier: "Registration") -> "Registration":
        """The same, with what was tried before."""
        return replace(self, attempts=earlier.attempts + self.attempts)


@dataclass(frozen=True)
class _Attempt:
    name: str
    setup: CameraSetup
    leniency: MapperThresholds
    seed: Seed | None = None


@dataclass(frozen=True)
class _Result:
    attempt: _Attempt
    reconstruction: Any
    explanation: MatchInliers


def register_views(
    scene: Reconstruction,
    originals: Originals,
    folder: Path,
    options: RefineOptions,
    *,
    known: KnownViews | None = None,
    network: Callable[[], VGGT] | None = None,
    progress: bool = False,
) -> Registration:
    """Match the photos and find the poses that the matches carry, adjusted and at rest.

    ``network`` gives the network when its tracks are wanted: where they were asked for, or where
    SIFT leaves photos without a hold and the model's tracks are known to be of use.
    """
    shop = match_photos(scene, originals, folder, options, known, progress=progress)
    shop = _with_one_reading(shop)
    found = None
    if options.correspondences in ("auto", "sift"):
        found = _register(shop)
        is_complete = found.num_supported >= scene.num_views
        is_useless = options.correspondences == "auto" and not is_good_at(scene.model, "tracks")
        if options.correspondences == "sift" or network is None or is_complete or is_useless:
            return found
    if network is None:
        raise InputError(
            f"correspondences {options.correspondences!r} need the network: give refine a network"
        )
    tracked = _register(with_network_tracks(shop, network(), originals, progress=progress))
    if found is None:
        return tracked
    return tracked.after(found) if _adds(tracked, found) else found


def _with_one_reading(shop: MatchedPhotos) -> MatchedPhotos:
    """Known cameras of stored or of upright pixels, where sizes cannot tell: as the matches say."""
    if shop.known is None:
        return shop

    def num_agreeing_pairs(known: KnownViews) -> int:
        confirmation = _confirm_known(replace(shop, known=known))
        return 0 if confirmation is None else confirmation.num_agreeing_pairs

    by_poses = agreement_with_poses(shop.scene)
    return replace(shop, known=settle_reading(shop.known, num_agreeing_pairs, by_poses))


def _adds(tracked: Registration, found: Registration) -> bool:
    """Whether tracks hold more photos, and explain what SIFT matched no worse than it does."""
    if tracked.num_supported <= found.num_supported:
        return False
    graph, cameras = found.shop.graph, found.shop.scene.cameras
    alone, together = (
        count_match_inliers(graph, cameras, one.reconstruction, one.shop.image_ids).explained
        for one in (found, tracked)
    )
    return together >= alone


def _register(shop: MatchedPhotos) -> Registration:
    """The best of all attempts on these matches."""
    scene, seed = shop.scene, shop.options.seed
    confirmation = verify_poses(shop.graph, scene.cameras, range(scene.num_views), seed)
    known_confirmation = _confirm_known(shop)
    best: _Result | None = None
    record = []
    attempts = _attempts(shop, confirmation, known_confirmation)
    # Between photos from one place any cameras fit, if their lenses may be chosen freely.
    for attempt in () if _only_turned(shop) else attempts:
        if best is not None and _is_enough(best, shop):
            break
        result = _run(shop, attempt)
        record.append(_describe(attempt, result))
        if result and (best is None or _is_better(result, best)):
            best = result
    free: dict[int, float] = {}
    if best is not None:
        _finish(shop, best)
        free = _free_focal_lengths(shop, best)
    return Registration(
        None if best is None else best.reconstruction,
        shop,
        shop.groups if best is None else best.attempt.setup.camera_of_view,
        _held_poses(shop, known_confirmation) if best is None else _fixed_poses(best),
        confirmation,
        known_confirmation,
        tuple(record),
        free,
    )


def _confirm_known(shop: MatchedPhotos) -> PoseVerification | None:
    """What the photos say of known poses, under the intrinsics that will be used."""
    if shop.known is None or int(shop.known.has_pose.sum()) < 2:
        return None
    has = shop.known.has_pose
    cameras = shop.starting_cameras()
    poses = torch.where(has[:, None, None], shop.known.cam_from_world, cameras.cam_from_world)
    views = has.nonzero().squeeze(-1).tolist()
    return verify_poses(
        shop.graph, replace(cameras, cam_from_world=poses), views, shop.options.seed
    )


def _attempts(
    shop: MatchedPhotos, confirmation: PoseVerification, known: PoseVerification | None
) -> Iterator[_Attempt]:
    """What to try, in order; made one after the other, so that what is not needed costs nothing."""
    scene = shop.scene
    trusted = len(confirmation.confirmed) >= max(2, scene.num_views / 2)
    setup = shop.set_up("shared", trust_network=trusted)
    held = _held_poses(shop, known)
    if held:
        yield _Attempt("known poses", setup, RELAXED, Seed(held, True, _KNOWN_ANGLES))
    if trusted:
        poses = {v: scene.cameras.cam_from_world[v] for v in confirmation.confirmed}
        yield _Attempt("network poses", setup, NORMAL, Seed(poses, False, _GUESS_ANGLES))
    yield _Attempt("from pairs, carefully", setup, STRICT)
    yield _Attempt("from pairs", setup, NORMAL)
    yield _Attempt("from pairs, relaxed", setup, RELAXED)
    if setup.is_shared and shop.options.camera == "auto":
        own = shop.set_up("own", own_cameras=True, trust_network=trusted)
        yield _Attempt("a camera for each photo", own, RELAXED)
    yield _Attempt("from pairs, lenient", setup, LENIENT)


def _only_turned(shop: MatchedPhotos) -> bool:
    """Whether no pair of photos has parallax: there is nothing to measure."""
    if not shop.graph.pairs or not all(pair.flat for pair in shop.graph.pairs):
        return False
    cameras = shop.scene.cameras, shop.starting_cameras()
    return all(is_pure_rotation(pair, *cameras) for pair in shop.graph.pairs)


def _held_poses(
    shop: MatchedPhotos, confirmation: PoseVerification | None
) -> dict[int, Float[Tensor, "3 4"]]:
    """Known poses that the photos do not contradict, if there are two at least."""
    if shop.known is None or confirmation is None:
        return {}
    views = shop.known.has_pose.nonzero().squeeze(-1).tolist()
    kept = [view for view in views if view not in confirmation.contradicted]
    return {v: shop.known.cam_from_world[v] for v in kept} if len(kept) > 1 else {}


def _is_better(result: _Result, best: _Result) -> bool:
    """Whether it explains clearly more of what matches."""
    return result.explanation.explained > _CLEARLY * best.explanation.explained


def _is_enough(best: _Result, shop: MatchedPhotos) -> bool:
    """Whether another attempt is not worth its time."""
    if best.attempt.seed is not None and best.attempt.seed.fixed:
        return True
    is_complete = num_supported(best.reconstruction) >= _num_reachable(shop)
    return is_complete and best.explanation.share >= _WELL_EXPLAINED


def _num_reachable(shop: MatchedPhotos) -> int:
    """Views with matches enough to be held."""
    graph = shop.graph
    return sum(graph.num_matches_of(v) >= 2 * MIN_OBSERVATIONS for v in range(graph.num_views))


def _run(shop: MatchedPhotos, attempt: _Attempt) -> _Result | None:
    name = attempt.name.replace(" ", "-").replace(",", "")
    folder = shop.folder / f"{attempt.setup.database.stem}-{name}"
    found = map_views(
        attempt.setup.database,
        folder,
        shop.image_ids,
        attempt.leniency,
        shop.options,
        seed=attempt.seed,
        constant_cameras=attempt.setup.constant,
    )
    if not found:
        return None
    explanation = count_match_inliers(shop.graph, shop.scene.cameras, found[0], shop.image_ids)
    return _Result(attempt, found[0], explanation)


def _finish(shop: MatchedPhotos, result: _Result) -> None:
    """Let go of views that next to nothing holds, then adjust to rest."""
    reconstruction, attempt = result.reconstruction, result.attempt
    fixed = [shop.image_ids[view] for view in _fixed_poses(result)]
    settings: dict[str, Any] = {
        "max_error": _MAX_ERROR * pixel_unit(shop.scene.cameras),
        "min_angle": attempt.leniency.min_angle_of_points,
        "fixed_images": fixed,
        "constant_cameras": attempt.setup.constant,
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
        for frame_id in weak:
            reconstruction.deregister_frame(frame_id)
        adjust_until_converged(reconstruction, **settings)


def _free_focal_lengths(shop: MatchedPhotos, result: _Result) -> dict[int, float]:
    """By view, what known focal lengths would be if they were adjusted, as far as photos tell."""
    reconstruction, constant = result.reconstruction, set(result.attempt.setup.constant)
    if not constant or reconstruction.num_reg_images() < _FEWEST_FOR_FOCAL:
        return {}
    free = copy.deepcopy(reconstruction)
    fixed = [shop.image_ids[view] for view in _fixed_poses(result)]
    adjust_once(free, _MAX_ERROR * pixel_unit(shop.scene.cameras), fixed_images=fixed)
    images = {
        view: free.image(image_id)
        for view, image_id in enumerate(shop.image_ids)
        if free.exists_image(image_id)
    }
    return {
        view: float(free.camera(image.camera_id).mean_focal_length())
        for view, image in images.items()
        if image.has_pose
        and image.camera_id in constant
        and image.num_points3D >= _FEWEST_POINTS_FOR_FOCAL
    }


def _fixed_poses(result: _Result) -> dict[int, Float[Tensor, "3 4"]]:
    seed = result.attempt.seed
    return seed.poses if seed is not None and seed.fixed else {}


def _describe(attempt: _Attempt, result: _Result | None) -> dict[str, Any]:
    return {
        "start": attempt.name,
        "matches": attempt.setup.database.stem.split("-")[0],
        "num_cameras": len(attempt.setup.cameras),
        "num_registered": 0 if result is None else num_supported(result.reconstruction),
        "num_points": 0 if result is None else result.reconstruction.num_points3D(),
        "explained_share": 0.0 if result is None else round(result.explanation.share, 4),
    }
