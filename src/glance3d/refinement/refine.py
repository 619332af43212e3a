"""The front door of refinement: a reconstruction in, a better one out."""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from glance3d.densification import mark_consistent, measure_depth
from glance3d.errors import InputError
from glance3d.images import Originals
from glance3d.known_cameras import KnownCameras, match_known_cameras
from glance3d.models import Network
from glance3d.models.weights.cards import is_good_at
from glance3d.refinement.assembly.assemble import assemble_cameras
from glance3d.refinement.assembly.depth_alignment import align_depth
from glance3d.refinement.assembly.focal_lengths import focal_doubts
from glance3d.refinement.assembly.known_poses import compare_known_poses, contradicted_views
from glance3d.refinement.mapping.registration import register_views
from glance3d.refinement.matching.matched_photos import match_photos
from glance3d.refinement.options import RefineOptions
from glance3d.refinement.pycolmap_interface import quiet
from glance3d.refinement.report import describe_refinement, with_refinement
from glance3d.reporting.times import StageTimes
from glance3d.trust.judge import judge_scene
from glance3d.types import Reconstruction

logger = logging.getLogger(__name__)


def refine(
    scene: Reconstruction,
    *,
    originals: Originals | None = None,
    folder: str | Path | None = None,
    options: RefineOptions = RefineOptions(),  # noqa: B008 (frozen)
    known: KnownCameras | None = None,
    network: Network | Callable[[], Network] | None = None,
    densify: bool | None = None,
    progress: bool = False,
) -> Reconstruction:
    """Refine the cameras by feature matches between the photos, and triangulate points.

    Features are matched between the photos. Poses that agree with two-view geometry are kept as a
    start, the others are registered again, and everything is bundle-adjusted. Photos with too few
    matches keep their feed-forward pose, moved into the refined frame. Depth maps are fitted to the
    measured points and compared with each other.

    Args:
        scene: What :func:`glance3d.reconstruct` gave, or a saved scene.
        originals: The photos; by default read again from where they came from, or from ``folder``.
        folder: Where a saved scene keeps its upright copies of the photos.
        options: Correspondences, cameras, seed.
        known: Cameras that are known beforehand: their intrinsics and poses stay fixed.
        network: The network, or a function that loads it: used of many photos, to say which look
            alike and are worth matching, if the options ask for its tracks, and if SIFT finds too
            few matches for some photos.
        densify: Measure depth again from the photos, see :func:`glance3d.densify`. None does so for
            models whose card does not say that they are good at depth.
        progress: Show progress bars on stderr.

    Returns:
        The refined scene; ``trust`` and ``report.trust`` have a verdict for every photo,
        ``report.refinement`` says what was done. If no two photos have enough matches, the scene
        keeps its feed-forward cameras, and the report says so.

    Raises:
        Glance3DError: A photo is gone, an option is unknown, or pycolmap is not installed.
    """
    if scene.num_views < 1:
        raise InputError("a scene without photos cannot be refined")
    photos = Originals(scene, folder) if originals is None else originals
    known_views = None if known is None else match_known_cameras(known, scene)
    load_network = _loader(network)
    times = StageTimes()
    with quiet(), tempfile.TemporaryDirectory(prefix="glance3d-") as temporary:
        with times.stage("register"):
            matched = match_photos(
                scene,
                photos,
                Path(temporary),
                options,
                known_views,
                network=load_network,
                progress=progress,
            )
            registration = register_views(matched, photos, network=load_network, progress=progress)
        with times.stage("assemble"):
            refined = assemble_cameras(scene, registration, photos)
    with times.stage("align_depth"):
        result = align_depth(refined.to_scene(scene))
    if densify is None:
        densify = not is_good_at(scene.model, "depth") and len(refined.sparse) > 0
    if densify:
        with times.stage("densify"):
            result = measure_depth(result, photos, progress=progress)
    with times.stage("consistency"):
        result = mark_consistent(result.masked())
    with times.stage("trust"):
        disagreement = compare_known_poses(result, registration)
        contradicted = contradicted_views(registration, disagreement)
        result = judge_scene(
            result,
            registration.photos.view_graph,
            refined.registered_by,
            before=scene.cameras,
            contradicted=contradicted,
            by_network=registration.by_network,
            focal_doubts=focal_doubts(result, refined.registered_by, options, matched.known),
        )
    section, warnings = describe_refinement(
        result, registration, refined, disagreement, times.seconds, matched.photo_pairs
    )
    earlier = {warning.text for warning in scene.report.warnings}
    for warning in warnings:
        if warning.text not in earlier:
            logger.warning("warning: %s", warning)
    return replace(
        result,
        registered_by=refined.registered_by,
        report=with_refinement(result.report, section, warnings),
    )


def _loader(network: Network | Callable[[], Network] | None) -> Callable[[], Network] | None:
    """What gives the network, loaded once."""
    if network is None or isinstance(network, Network):
        return None if network is None else lambda: network
    return cache(network)
