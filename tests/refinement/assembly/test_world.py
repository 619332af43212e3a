"""The refined world lies where known cameras say, or where the reference photo stands."""

from dataclasses import replace

import pytest
import torch

from glance3d.geometry.similarity import Similarity
from glance3d.known_cameras import KnownCamera, KnownCameras, KnownViews, match_known_cameras
from glance3d.refinement.assembly.refined_cameras import RefinedCameras
from glance3d.refinement.assembly.world import depth_scale, place_in_world
from glance3d.types import Reconstruction
from tests.refinement.rendered import Room, arc, build_scene, with_tracks

TURN = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]).double()
ELSEWHERE = Similarity(3.0, TURN, torch.tensor([5.0, 2.0, 1.0]).double())


@pytest.fixture(scope="module")
def scene() -> Reconstruction:
    """True cameras, depth and points, in the frame of the first camera."""
    scene = build_scene([Room()] * 4, arc(4))
    first = scene.cameras.cam_from_world[0].double()
    return with_tracks(scene.moved(Similarity(1.0, first[:, :3], first[:, 3])), noise=0.0)


@pytest.fixture(scope="module")
def refined(scene: Reconstruction) -> RefinedCameras:
    """The same as it comes out of bundle adjustment: turned, moved and three times as large."""
    assert scene.sparse is not None
    poses = scene.cameras.cam_from_world.double()
    cameras = replace(
        scene.cameras, cam_from_world=poses, intrinsics=scene.cameras.intrinsics.double()
    )
    sparse = replace(scene.sparse, points_world=scene.sparse.points_world.double())
    return RefinedCameras(cameras, sparse, ("bundle adjustment",) * 4).moved(ELSEWHERE)


def known_views(scene: Reconstruction, views: list[int]) -> KnownViews:
    """The true poses of some views, in the world called ``survey``."""
    cameras = tuple(
        KnownCamera(scene.names[view], scene.cameras.cam_from_world[view].double())
        for view in views
    )
    return match_known_cameras(KnownCameras("s.json", "test", cameras, "survey", "metre"), scene)


def test_depth_tells_the_old_scale(scene: Reconstruction, refined: RefinedCameras) -> None:
    assert depth_scale(scene, refined) == pytest.approx(1 / 3, rel=0.01)
    assert depth_scale(replace(scene, depth=None), refined) is None


def test_without_known_poses_the_reference_camera_is_the_origin(
    scene: Reconstruction, refined: RefinedCameras
) -> None:
    placed = place_in_world(scene, refined, None)
    true = scene.cameras.cam_from_world.double()
    torch.testing.assert_close(placed.cameras.cam_from_world, true, atol=0.05, rtol=0)
    torch.testing.assert_close(
        placed.cameras.cam_from_world[0], torch.eye(3, 4).double(), atol=1e-5, rtol=0
    )
    assert (placed.world, placed.units) == ("reference camera", "arbitrary")


def test_known_poses_that_were_not_held_still_give_the_frame(
    scene: Reconstruction, refined: RefinedCameras
) -> None:
    placed = place_in_world(scene, refined, known_views(scene, [0, 1, 2, 3]))
    true = scene.cameras.cam_from_world.double()
    torch.testing.assert_close(placed.cameras.cam_from_world, true, atol=1e-4, rtol=0)
    assert (placed.world, placed.units) == ("survey", "metre")


def test_one_known_pose_gives_no_scale(scene: Reconstruction, refined: RefinedCameras) -> None:
    placed = place_in_world(scene, refined, known_views(scene, [2]))
    torch.testing.assert_close(
        placed.cameras.cam_from_world[2],
        scene.cameras.cam_from_world[2].double(),
        atol=1e-4,
        rtol=0,
    )
    assert (placed.world, placed.units) == ("survey", "arbitrary")


def test_held_poses_are_left_where_they_are(scene: Reconstruction, refined: RefinedCameras) -> None:
    held = replace(refined, registered_by=("known",) * 4)
    placed = place_in_world(scene, held, known_views(scene, [0, 1]))
    assert torch.equal(placed.cameras.cam_from_world, held.cameras.cam_from_world)
    assert (placed.world, placed.units) == ("survey", "metre")
