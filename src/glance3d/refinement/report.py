"""What refinement did, and what it warns of."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from glance3d.known_cameras import KnownViews, PoseDisagreement
from glance3d.models.weights.cards import CARDS
from glance3d.refinement.assembly.focal_lengths import contradicted_focal_lengths
from glance3d.refinement.assembly.known_poses import contradicted_views
from glance3d.refinement.assembly.rectified_pair import rectified_pair_warning
from glance3d.refinement.assembly.refined_cameras import RefinedCameras
from glance3d.refinement.mapping.registration import Registration
from glance3d.refinement.matching.photo_pairs import PhotoPairs
from glance3d.reporting.better_model import BETTER_MODEL, better_model_warnings
from glance3d.reporting.times import total
from glance3d.reporting.warnings import FOCAL_LENGTHS, GROUPS, MODEL_LIMITS
from glance3d.text import named_groups
from glance3d.types import HELD_BY_PHOTOS, Reconstruction, Report, ReportWarning
from glance3d.types.report_sections import RefinementReport


def describe_refinement(
    scene: Reconstruction,
    registration: Registration,
    refined: RefinedCameras,
    disagreement: PoseDisagreement | None,
    times: Mapping[str, float],
    photo_pairs: PhotoPairs | None = None,
) -> tuple[RefinementReport, list[ReportWarning]]:
    """Options, attempts, who was registered by what, and what a person should be warned of.

    ``disagreement`` is that of known poses with the refined ones, None where no pose is known, and
    ``photo_pairs`` are those that SIFT's features were matched of.
    """
    photos = registration.photos
    verified, known = photos.network_poses, photos.known
    shift = refined.rectified_shift
    section = RefinementReport(
        options=asdict(photos.options),
        attempts=tuple(registration.attempts),
        registered_by=dict(zip(scene.names, refined.registered_by, strict=True)),
        num_registered=sum(by in HELD_BY_PHOTOS for by in refined.registered_by),
        num_points=len(refined.sparse),
        num_observations=refined.sparse.num_observations,
        measured_share=_measured_share(scene),
        num_cameras=len(set(registration.camera_of_view)),
        network_poses={
            "confirmed": [scene.names[view] for view in verified.confirmed],
            "num_agreeing_pairs": verified.num_agreeing_pairs,
            "num_pairs": verified.num_pairs,
        },
        times=times,
        known_cameras=_describe_known(known, disagreement),
        rectified_pair=None if shift is None else {"shift_px": round(shift, 3)},
        components=_component_names(scene, registration) or None,
        photo_pairs=None if photo_pairs is None else photo_pairs.describe(),
        refined_tracks=registration.refined_tracks,
    )
    texts = {
        "photo_pairs": [] if photo_pairs is None else photo_pairs.warnings(),
        "components": _components(scene, registration),
        "few_matches": _warnings(scene, refined),
        FOCAL_LENGTHS: contradicted_focal_lengths(scene, registration),
        "known_cameras": [] if known is None else known.warnings,
        "contradicted_cameras": _contradictions(
            scene, contradicted_views(registration, disagreement)
        ),
        "rectified_pair": [] if shift is None else [rectified_pair_warning(shift)],
    }
    warnings = [
        warning
        for code, own in texts.items()
        for warning in ReportWarning.each("refinement", code, own)
    ]
    return section, [*warnings, *better_model_warnings(CARDS.get(scene.model), scene, "refinement")]


def _describe_known(
    known: KnownViews | None, disagreement: PoseDisagreement | None
) -> dict[str, Any] | None:
    """What is known of cameras, and how far the photos agree; None where nothing is known."""
    if known is None:
        return None
    compared = {} if disagreement is None else {"disagreement": disagreement.describe()}
    return known.describe() | compared


def with_refinement(
    report: Report, section: RefinementReport, warnings: Sequence[ReportWarning]
) -> Report:
    """The report with what refinement did, and without the warnings that it settles.

    These are what known cameras were warned of before the photos spoke, which model would do better
    (which is said again, where it still would), and where no photo rests on the network's guesses
    any more, what these lack, and what the network finds nothing in common between.
    """
    report = report.without_warnings(code=BETTER_MODEL)
    if section.known_cameras is not None:
        report = report.without_warnings("known_cameras")
    if section.num_registered == len(section.registered_by):
        report = report.without_warnings(code=FOCAL_LENGTHS).without_warnings(code=GROUPS)
        if section.measured_share is not None:
            report = report.without_warnings(code=MODEL_LIMITS)
    seconds = total(section.times)
    return report.with_section("refinement", section, warnings).with_seconds("refine", seconds)


def _measured_share(scene: Reconstruction) -> float | None:
    """How much of the photos has measured depth; None where nobody measured."""
    if scene.measured is None:
        return None
    return round(float((scene.measured & scene.mask).sum() / scene.mask.sum().clamp(min=1)), 4)


def _warnings(scene: Reconstruction, refined: RefinedCameras) -> list[str]:
    counts = Counter(refined.registered_by)
    kept = [
        name
        for name, by in zip(scene.names, refined.registered_by, strict=True)
        if by in ("similarity", "network")
    ]
    if counts["network"] == scene.num_views:
        return [
            "no two photos have matches enough to measure a camera: all poses are the network's "
            "guess"
        ]
    if kept:
        return [
            f"{len(kept)} of {scene.num_views} photos have too few matches and keep the network's "
            f"guess, moved into the refined frame: {', '.join(kept[:5])}"
            + (" ..." if len(kept) > 5 else "")
        ]
    return []


def _component_names(
    scene: Reconstruction, registration: Registration
) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(scene.names[view] for view in sorted(component.images))
        for component in registration.components
    )


def _components(scene: Reconstruction, registration: Registration) -> list[str]:
    """Which photos are measured apart from the main part, and that they may be of another scene."""
    groups = _component_names(scene, registration)
    if not groups:
        return []
    return [
        f"the photos are in {len(groups) + 1} parts that nothing measured connects: beside "
        f"{len(registration.images)} photos there are {named_groups(groups)}; each is measured in "
        "itself, but where the parts are to each other is a guess, and they may be different scenes"
    ]


def _contradictions(scene: Reconstruction, views: Collection[int]) -> list[str]:
    """Known poses that the photos contradict, named."""
    if not views:
        return []
    names = ", ".join(scene.names[view] for view in sorted(views))
    return [
        f"the known poses of {names} contradict what the photos show, and were not used to place "
        "them"
    ]
