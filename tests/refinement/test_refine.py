"""Rooms with known cameras, refined from guesses that are good, bad, or partly known."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pycolmap
import pytest
import torch
from torch import Tensor

import glance3d
from glance3d.errors import InputError
from glance3d.evaluation.metrics import relative_pose_errors
from glance3d.geometry.cameras import project_points
from glance3d.geometry.rotations import so3_exp
from glance3d.geometry.transforms import compose
from glance3d.known_cameras import KnownCamera, KnownCameras
from glance3d.refinement import RefineOptions, refine
from glance3d.types import Cameras, Reconstruction
from tests.refinement.rendered import FOCAL, Room, arc, build_scene, with_cameras

FAST = RefineOptions(max_features=1500)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    folder = tmp_path_factory.mktemp("photos")
    poses = arc(5)
    return build_scene([Room()] * 5, poses, folder)


def guessed(truth: Reconstruction, degrees: float, focal: float = FOCAL) -> Reconstruction:
    """The true scene with every camera but the first turned and moved a little."""
    generator = torch.Generator().manual_seed(3)
    axes = torch.nn.functional.normalize(torch.randn(5, 3, generator=generator), dim=-1)
    axes[0] = 0
    turn = so3_exp(axes * torch.deg2rad(torch.tensor(degrees)))
    shift = 0.02 * degrees * axes.flip(-1)
    noise = torch.cat([turn, shift[..., None]], -1)
    scene = with_cameras(truth, compose(noise, truth.cameras.cam_from_world))
    intrinsics = scene.cameras.intrinsics.clone()
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
    return replace(scene, cameras=replace(scene.cameras, intrinsics=intrinsics))


def lost(truth: Reconstruction) -> Reconstruction:
    """The scene of a network that has learned nothing: cameras side by side."""
    poses = torch.eye(3, 4).repeat(truth.num_views, 1, 1)
    poses[:, 0, 3] = -torch.arange(float(truth.num_views))
    return with_cameras(truth, poses)


def worst_error_deg(cameras: Cameras, truth: Reconstruction) -> float:
    errors = relative_pose_errors(cameras.cam_from_world, truth.cameras.cam_from_world)
    return float(errors.worse.max())


def known_of(truth: Reconstruction, views: Sequence[int], **changes: Tensor) -> KnownCameras:
    """The true poses of some views as a file would say them; ``changes`` replaces some by name."""
    cameras = tuple(
        KnownCamera(
            truth.names[view],
            changes.get(f"view{view}", truth.cameras.cam_from_world[view]).double(),
        )
        for view in views
    )
    return KnownCameras("survey.json", "test", cameras, "the survey's", "metre")


@pytest.fixture(scope="module")
def from_good_guess(truth: Reconstruction) -> Reconstruction:
    return refine(guessed(truth, 2.0), options=FAST, densify=False)


def test_a_good_guess_is_the_start_and_gets_exact(
    truth: Reconstruction, from_good_guess: Reconstruction
) -> None:
    report = from_good_guess.report.to_json()["refinement"]
    assert [attempt["start"] for attempt in report["attempts"]] == ["network poses"]
    assert set(report["registered_by"].values()) == {"bundle adjustment"}
    assert worst_error_deg(guessed(truth, 2.0).cameras, truth) > 2
    assert worst_error_deg(from_good_guess.cameras, truth) < 0.5
    assert from_good_guess.cameras.intrinsics[0, 0, 0] == pytest.approx(FOCAL, rel=0.02)


def test_the_world_stays_the_reference_cameras_at_the_old_scale(
    truth: Reconstruction, from_good_guess: Reconstruction
) -> None:
    assert from_good_guess.world == "reference camera"
    torch.testing.assert_close(
        from_good_guess.cameras.cam_from_world[0], torch.eye(3, 4), atol=1e-5, rtol=0
    )
    centers = from_good_guess.cameras.centers
    true_centers = truth.cameras.centers
    extent = (centers[4] - centers[0]).norm() / (true_centers[4] - true_centers[0]).norm()
    assert extent == pytest.approx(1, abs=0.1)


def test_every_point_is_where_its_photos_see_it(from_good_guess: Reconstruction) -> None:
    sparse = from_good_guess.sparse
    assert sparse is not None
    assert len(sparse) > 200
    assert int(sparse.num_observations_of_each().min()) >= 2
    cameras = from_good_guess.cameras
    for view in range(5):
        own = sparse.view_indices == view
        pixels, depth = project_points(
            sparse.points_world[sparse.point_indices[own]],
            cameras.cam_from_world[view],
            cameras.intrinsics[view],
        )
        assert bool((depth > 0).all())
        errors = (pixels - sparse.pixels_original[own]).norm(dim=-1)
        assert float(errors.median()) < 0.5


def test_every_photo_gets_a_verdict(from_good_guess: Reconstruction) -> None:
    assert from_good_guess.trust is not None
    assert [view.verdict for view in from_good_guess.trust] == ["good"] * 5


def test_another_bundle_adjuster_leaves_it_where_it_is(
    from_good_guess: Reconstruction, tmp_path: Path
) -> None:
    glance3d.export(from_good_guess, tmp_path / "colmap", format="colmap")
    model = pycolmap.Reconstruction(tmp_path / "colmap" / "sparse" / "0")
    before = {image.name: image.projection_center() for image in model.images.values()}
    focal = [camera.mean_focal_length() for camera in model.cameras.values()]
    pycolmap.bundle_adjustment(model)
    extent = float((before["view00.png"] - before["view04.png"]) @ [1, 0, 0])
    for image in model.images.values():
        moved = image.projection_center() - before[image.name]
        assert float(moved @ moved) ** 0.5 < 1e-3 * abs(extent)
    assert [camera.mean_focal_length() for camera in model.cameras.values()] == pytest.approx(
        focal, rel=1e-3
    )


def test_a_useless_guess_does_no_harm(truth: Reconstruction) -> None:
    scene = refine(lost(truth), options=FAST, densify=False)
    assert scene.report.refinement.attempts[0]["start"] == "from pairs, carefully"
    assert worst_error_deg(scene.cameras, truth) < 1.0


def test_the_same_seed_gives_the_same_cameras(
    truth: Reconstruction, from_good_guess: Reconstruction
) -> None:
    again = refine(guessed(truth, 2.0), options=FAST, densify=False)
    first = from_good_guess.cameras
    torch.testing.assert_close(again.cameras.cam_from_world, first.cam_from_world, rtol=0, atol=0)
    torch.testing.assert_close(again.cameras.intrinsics, first.intrinsics, rtol=0, atol=0)


def test_known_poses_are_held_and_give_the_frame(truth: Reconstruction) -> None:
    # Photo 2 was held upside down, and what is known is of its pixels as they are stored.
    upside_down = compose(
        torch.diag(torch.tensor([-1.0, -1, 1, 0]))[:3], truth.cameras.cam_from_world[2]
    )
    known = known_of(truth, [0, 2, 4], view2=upside_down)
    before = lost(truth)
    placements = list(before.placements)
    placements[2] = replace(placements[2], exif_orientation=3)
    before = replace(before, placements=tuple(placements))
    scene = refine(before, options=FAST, known=known, densify=False)
    warnings = scene.report.to_json()["refinement"]["warnings"]
    assert any("view02.png are of the photos as they are stored" in text for text in warnings)
    assert (scene.world, scene.units) == ("the survey's", "metre")
    torch.testing.assert_close(
        scene.cameras.cam_from_world[[0, 2, 4]], truth.cameras.cam_from_world[[0, 2, 4]]
    )
    torch.testing.assert_close(
        scene.cameras.cam_from_world, truth.cameras.cam_from_world, atol=0.05, rtol=0
    )
    by = list(scene.report.refinement.registered_by.values())
    assert by == ["known", "bundle adjustment", "known", "bundle adjustment", "known"]


def test_a_known_pose_that_the_photos_contradict_is_named_and_not_used(
    truth: Reconstruction,
) -> None:
    wrong = compose(
        torch.tensor([[0.0, 0, 1, 0.5], [0, 1, 0, 0], [-1, 0, 0, 1]]),
        truth.cameras.cam_from_world[3],
    )
    known = known_of(truth, range(5), view3=wrong)
    scene = refine(lost(truth), options=FAST, known=known, densify=False)
    report = scene.report.to_json()["refinement"]
    assert report["registered_by"]["view03.png"] == "bundle adjustment"
    assert worst_error_deg(scene.cameras, truth) < 1.0
    assert any("view03.png contradict" in warning for warning in report["warnings"])


def test_known_intrinsics_are_held(truth: Reconstruction) -> None:
    matrix = truth.cameras.intrinsics[0].double().clone()
    matrix[0, 0], matrix[1, 1] = 1.2 * FOCAL + 9, 1.2 * FOCAL + 7
    cameras = tuple(KnownCamera(name, intrinsics=matrix) for name in truth.names)
    known = KnownCameras("calibration.json", "test", cameras, "none")
    scene = refine(guessed(truth, 2.0), options=FAST, known=known, densify=False)
    torch.testing.assert_close(
        scene.cameras.intrinsics, matrix.float().expand(5, 3, 3), rtol=0, atol=1e-4
    )
    assert scene.world == "reference camera"
    (warning,) = [
        t for t in scene.report.to_json()["refinement"]["warnings"] if "focal lengths" in t
    ]
    assert "focal lengths of 5 of 5 photos are not what is stated" in warning
    lengths = re.findall(
        rf"view0\d\.png: {1.2 * FOCAL + 8:.0f} pixels as known, (\d+) found", warning
    )
    assert [float(focal) for focal in lengths] == pytest.approx([FOCAL] * 5, rel=0.05)


def test_tracks_without_a_network_are_refused(truth: Reconstruction) -> None:
    with pytest.raises(InputError, match="need the network"):
        refine(truth, options=replace(FAST, correspondences="tracks"))


@pytest.mark.long
def test_densify_measures_on_a_finer_grid(tmp_path: Path) -> None:
    truth = build_scene([Room()] * 3, arc(5)[1:4], tmp_path)
    scene = refine(truth, options=FAST, densify=True)
    assert scene.measured is not None
    assert scene.mask.shape[1:] > truth.mask.shape[1:]
    assert scene.report.refinement.measured_share > 0.5
