"""What registration knows is counted for each view."""

from dataclasses import replace

import pytest

from glance3d.multiview.view_graph import ViewGraph
from glance3d.trust.evidence import gather_evidence
from tests.refinement.rendered import (
    Room,
    arc,
    build_scene,
    matches_between,
    turning,
)


def test_evidence_is_counted_for_each_view() -> None:
    poses = [*turning(2, 0.2), arc(3)[2], arc(3)[0]]
    scene = build_scene([Room()] * 4, poses)
    turn = matches_between(scene, 0.2, 0, 1)
    walk = replace(matches_between(scene, 0.2, 1, 2), flat=False)
    graph = ViewGraph(4, (turn, walk))
    evidence = gather_evidence(scene, graph, ["bundle adjustment"] * 3 + ["similarity"])
    assert [view.num_pairs for view in evidence] == [1, 2, 1, 0]
    assert evidence[1].num_matches == len(turn) + len(walk)
    assert [view.pure_rotation_share for view in evidence] == [1.0, 0.5, 0.0, 0.0]
    assert evidence[2].epipolar_after == pytest.approx(0.2, abs=0.1)
    assert (evidence[3].epipolar_after, evidence[3].registered_by) == (None, "similarity")
    assert {view.epipolar_before for view in evidence} == {None}


def test_evidence_holds_both_cameras_and_given_poses_against_the_matches() -> None:
    scene = build_scene([Room()] * 2, arc(2, width=1.0))
    graph = ViewGraph(2, (replace(matches_between(scene, 0.2), flat=False),))
    poses = scene.cameras.cam_from_world.clone()
    poses[1, 1, 3] += 0.3
    wrong = replace(scene.cameras, cam_from_world=poses)
    evidence = gather_evidence(scene, graph, ["known"] * 2, before=wrong, contradicted=[1])
    assert evidence[0].epipolar_before > 3 > 1 > evidence[0].epipolar_after  # type: ignore[operator]
    assert [view.contradicted for view in evidence] == [False, True]
