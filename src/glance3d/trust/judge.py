"""A verdict for every photo of a scene, and what contradicts itself: the door of trust."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from glance3d.multiview.view_graph import ViewGraph
from glance3d.trust.contradictions import find_contradictions
from glance3d.trust.evidence import gather_evidence
from glance3d.trust.report import describe_trust
from glance3d.trust.rules import judge
from glance3d.types import Cameras, Reconstruction


def judge_scene(
    scene: Reconstruction,
    view_graph: ViewGraph,
    registered_by: tuple[str, ...],
    before: Cameras,
    contradicted: Collection[int],
    focal_doubts: Sequence[str | None],
    by_network: Collection[int] = (),
) -> Reconstruction:
    """The refined scene with ``trust``, and all of it in words under ``report.trust``.

    Args:
        scene: With the cameras to be judged.
        view_graph: The verified matches of its photos.
        registered_by: What each camera comes from.
        before: The cameras before refinement.
        contradicted: Views whose given poses are not what the photos show.
        focal_doubts: What speaks against the focal length of a view.
        by_network: Views that only matches of a network's descriptors connect to the others.
    """
    evidence = gather_evidence(
        scene,
        view_graph,
        registered_by,
        before=before,
        contradicted=set(contradicted),
        focal_doubts=focal_doubts,
        by_network=by_network,
    )
    judged = replace(scene, trust=judge(scene, evidence))
    described = describe_trust(judged, find_contradictions(judged, view_graph))
    return replace(judged, report=judged.report.with_section("trust", described))
