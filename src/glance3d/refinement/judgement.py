"""The last step of refinement: what came of it, judged photo by photo and as a whole."""

from dataclasses import replace

from glance3d.known_cameras import KnownViews, measure_disagreement
from glance3d.refinement.contradictions import find_contradictions
from glance3d.refinement.evidence import gather_evidence
from glance3d.refinement.focal_lengths import focal_doubts
from glance3d.refinement.registration import Registration
from glance3d.refinement.trust import judge
from glance3d.refinement.trust_report import describe_trust
from glance3d.types import Cameras, Reconstruction


def with_trust(
    scene: Reconstruction,
    registration: Registration,
    registered_by: tuple[str, ...],
    before: Cameras,
    known: KnownViews | None = None,
) -> Reconstruction:
    """The refined scene with ``trust``, and all of it in words under ``report["trust"]``.

    ``before`` are its cameras before refinement, ``known`` what was given.
    """
    graph = registration.shop.graph
    evidence = gather_evidence(
        scene,
        graph,
        registered_by,
        before=before,
        contradicted=_contradicted(scene, registration, known),
        focal_doubts=focal_doubts(scene, registered_by, registration.shop.options, known),
    )
    judged = replace(scene, trust=judge(scene, evidence))
    described = describe_trust(judged, find_contradictions(judged, graph))
    return replace(judged, report={**judged.report, "trust": described})


def _contradicted(
    scene: Reconstruction, registration: Registration, known: KnownViews | None
) -> set[int]:
    """Views whose given poses are not what the photos show."""
    if known is None or not bool(known.has_pose.any()):
        return set()
    differing = measure_disagreement(
        scene.names, known.cam_from_world, scene.cameras.cam_from_world.double()
    ).contradicting
    views = {scene.names.index(name) for name in differing}
    confirmation = registration.known_confirmation
    return views | set(() if confirmation is None else confirmation.contradicted)
