"""The front door of refinement: a reconstruction in, a better one out."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from glance3d.densification import densify as densify_scene
from glance3d.densification.consistency import mark_consistent
from glance3d.errors import InputError
from glance3d.images import Originals
from glance3d.known_cameras import KnownCameras, match_known_cameras
from glance3d.models import VGGT
from glance3d.models.weights.cards import CARDS, is_good_at
from glance3d.refinement.assembly.assemble import assemble_cameras
from glance3d.refinement.assembly.depth_alignment import align_depth
from glance3d.refinement.assembly.focal_lengths import focal_doubts
from glance3d.refinement.assembly.rectified_pair import describe_rectified_pair
from glance3d.refinement.mapping.registration import register_views
from glance3d.refinement.matching.matched_photos import match_photos
from glance3d.refinement.options import RefineOptions
from glance3d.refinement.pycolmap_interface import quiet
from glance3d.refinement.report import contradicted_views, describe_refinement
from glance3d.report import StageTimes, focal_warnings, total
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
    network: VGGT | Callable[[], VGGT] | None = None,
    densify: bool | None = None,
    progress: bool = False,
) -> Reconstruction:
    """Cameras that the photos themselves confirm, with the points that prove it.

    Features are matched between the photos, poses that two-view geometry confirms are kept as a
    start, the others registered again, and everything is bundle-adjusted; photos that too little
    holds keep their feed-forward pose, moved into the refined frame. Depth maps are fitted to the
    measured points and held against each other.

    Args:
        scene: What :func:`glance3d.reconstruct` gave, or a saved scene.
        originals: The photos; by default read again from where they came from, or from ``folder``.
        folder: Where a saved scene keeps its upright copies of the photos.
        options: Correspondences, cameras, seed.
        known: Cameras that are known beforehand: their intrinsics are held, their poses fixed.
        network: The network, or what loads it, for its tracks: where the options ask for them,
            or where SIFT leaves photos without a hold.
        densify: Measure depth again from the photos, see :func:`glance3d.densify`. None does so for
            models whose card does not say that they are good at depth.
        progress: Show progress bars on stderr.

    Returns:
        The refined scene; ``trust`` and ``report["trust"]`` have a verdict for every photo,
        ``report["refinement"]`` says what was done. A scene that no two photos support comes back
        with its feed-forward cameras, and says so.

    Raises:
        Glance3DError: A photo is gone, an option is unknown, or pycolmap is not installed.
    """
    if scene.num_views < 1:
        raise InputError("a scene without photos cannot be refined")
    photos = Originals(scene, folder) if originals is None else originals
    known_views = None if known is None else match_known_cameras(known, scene)
    load_network = (lambda: network) if isinstance(network, VGGT) else network
    times = StageTimes()
    with quiet(), tempfile.TemporaryDirectory(prefix="glance3d-") as temporary:
        with times.stage("register"):
            matched = match_photos(
                scene, photos, Path(temporary), options, known_views, progress=progress
            )
            registration = register_views(matched, photos, network=load_network, progress=progress)
        with times.stage("assemble"):
            refined = assemble_cameras(scene, registration, photos)
    with times.stage("align_depth"):
        better = align_depth(refined.to_scene(scene))
    if densify is None:
        densify = not is_good_at(scene.model, "depth") and len(refined.sparse) > 0
    if densify:
        with times.stage("densify"):
            better = densify_scene(better, photos, progress=progress)
    with times.stage("consistency"):
        if not densify:  # or densification has marked it
            better = mark_consistent(better.masked())
    with times.stage("trust"):
        better = judge_scene(
            better,
            registration.photos.view_graph,
            refined.registered_by,
            before=scene.cameras,
            contradicted=contradicted_views(better, registration),
            focal_doubts=focal_doubts(better, refined.registered_by, options, matched.known),
        )
    described = describe_refinement(better, registration, refined)
    described["times"] = times.seconds
    at_first = focal_warnings(
        scene,
        _focal_lengths(scene),
        None if matched.known is None else matched.known.focal_lengths,
    )
    if refined.rectified_shift is not None:
        described["rectified_pair"], sentence = describe_rectified_pair(refined.rectified_shift)
        described["warnings"].append(sentence)
    for warning in described["warnings"]:
        if warning not in scene.report.get("warnings", []):
            logger.warning("warning: %s", warning)
    return replace(
        better, report=_with_refinement(scene.report, better.report, described, at_first)
    )


def _focal_lengths(scene: Reconstruction) -> list[float]:
    """Of each photo's camera, in pixels."""
    return scene.cameras.intrinsics.diagonal(dim1=-2, dim2=-1)[:, :2].mean(-1).tolist()


def _with_refinement(
    before: dict[str, Any],
    report: dict[str, Any],
    described: dict[str, Any],
    of_guesses: Sequence[str] = (),
) -> dict[str, Any]:
    """The report with what refinement did.

    What an earlier refinement warned of is settled, what known cameras were warned of before the
    photos spoke, and what the model's guesses lack where no photo rests on them any more
    (``of_guesses`` likewise).
    """
    settled = [*before.get("refinement", {}).get("warnings", []), *described["warnings"]]
    if "known_cameras" in described:
        settled += before.get("known_cameras", {}).get("warnings", [])
    card = CARDS.get(report.get("model", {}).get("name", ""))
    nothing_guessed = described["num_registered"] == len(described["registered_by"])
    if nothing_guessed:
        settled += of_guesses
    if card and nothing_guessed and described["measured_share"] is not None:
        settled.append(card.warning(card.limits))
    warnings = [text for text in report.get("warnings", []) if text not in settled]
    seconds = {**report.get("times", {}), "refine": total(described["times"])}
    seconds["total"] = total({key: value for key, value in seconds.items() if key != "total"})
    return {
        **report,
        "refinement": described,
        "warnings": [*warnings, *described["warnings"]],
        "times": seconds,
    }
