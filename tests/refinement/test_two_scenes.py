"""A folder of two scenes comes out as two, measured each in itself, and says so."""

import pytest
import torch

from glance3d.geometry.rotations import rotation_angle
from glance3d.refinement import RefineOptions, refine
from glance3d.types import Reconstruction
from tests.refinement.rendered import Room, arc, build_scene
from tests.refinement.test_hard_cases import guessed
from tests.refinement.test_refine import lost

FIRST, SECOND = range(4), range(4, 7)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    """Four photos of a room, and three of one with other pictures on its walls."""
    rooms = [Room()] * len(FIRST) + [Room(seed=7)] * len(SECOND)
    poses = [*arc(len(FIRST), 1.8), *arc(len(SECOND), 1.6)]
    return build_scene(rooms, poses, tmp_path_factory.mktemp("mixed"))


def relative_error_deg(scene: Reconstruction, truth: Reconstruction, views: range) -> float:
    """The worst rotation between two of these views."""
    mine, true = (one.cameras.cam_from_world[views.start :, :, :3] for one in (scene, truth))
    count = len(views)
    angles = [rotation_angle(mine[i] @ mine[0].T, true[i] @ true[0].T) for i in range(1, count)]
    return float(torch.rad2deg(torch.stack(angles).max()))


@pytest.mark.parametrize("start", [guessed, lost])
def test_two_scenes_in_one_folder_are_two(truth: Reconstruction, start) -> None:
    scene = refine(start(truth), options=RefineOptions(max_features=700), densify=False)
    assert scene.registered_by == ("bundle adjustment",) * 4 + ("component",) * 3
    assert scene.trust is not None
    assert [view.verdict for view in scene.trust] == ["good"] * 4 + ["weak"] * 3
    assert all("another scene" in scene.trust[view].reason for view in SECOND)
    assert scene.report.refinement is not None
    assert scene.report.refinement.components == (scene.names[4:],)
    assert any("different scenes" in warning.text for warning in scene.report.warnings)
    for views in (FIRST, SECOND):
        assert relative_error_deg(scene, truth, views) < 1.0
    # Both are measured, and each point is seen by one of them alone.
    assert scene.sparse is not None
    in_second = scene.sparse.view_indices >= SECOND.start
    points = [set(scene.sparse.point_indices[own].tolist()) for own in (in_second, ~in_second)]
    assert min(map(len, points)) > 50
    assert not points[0] & points[1]
