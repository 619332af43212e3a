"""Metres from known poses, distances and depth; and what contradicts is said, not averaged."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import torch
from PIL import Image

from glance3d.errors import ImageError, InputError, SceneError
from glance3d.files.atomic import to_json_text
from glance3d.geometry.cameras import camera_centers
from glance3d.metric_scale import (
    KnownDepth,
    KnownDepthMap,
    KnownDistance,
    KnownPoses,
    MetricConstraints,
    apply_metric_scale,
)
from glance3d.metric_scale.estimates import student_quantile
from glance3d.photo_sets import load_photo_set
from tests.metric_scale.scenes import ENU_FROM_SCENE, circle, draw, scene_at, with_gps

SHARED = Path(__file__).parents[3] / "shared" / "data"


def poses_of(scene, units="metre", views=None):
    known = ENU_FROM_SCENE.transform_cameras(scene.cameras.cam_from_world.double())
    if views is not None:
        mask = torch.ones(scene.num_views, dtype=torch.bool)
        mask[list(views)] = False
        known[mask] = torch.nan
    return KnownPoses(known, "the survey", units)


def doubts_of(scene):
    return " | ".join(scene.report.to_json()["metric_scale"]["doubts"])


@pytest.mark.parametrize("views", [None, (0, 3), (1, 4, 7)])
def test_known_poses_give_frame_and_scale(views):
    scene = scene_at(circle())
    moved = apply_metric_scale(scene, MetricConstraints(poses=poses_of(scene, views=views)))
    assert (moved.units, moved.world) == ("metre", "the survey")
    wanted = poses_of(scene).cam_from_world.float()
    torch.testing.assert_close(moved.cameras.cam_from_world, wanted, rtol=0, atol=1e-3)
    assert moved.report.metric_scale.metres_per_unit == pytest.approx(4, rel=1e-5)


def test_poses_without_a_unit_give_the_frame_and_no_metres():
    scene = scene_at(circle())
    moved = apply_metric_scale(scene, MetricConstraints(poses=poses_of(scene, "arbitrary")))
    assert (moved.units, moved.world) == ("arbitrary", "the survey")
    wanted = poses_of(scene).cam_from_world.float()
    torch.testing.assert_close(moved.cameras.cam_from_world, wanted, rtol=0, atol=1e-3)
    assert "does not say that its lengths are metres" in doubts_of(moved)


def test_a_frame_without_unit_grows_to_metres_by_a_distance():
    scene = scene_at(circle())
    both = MetricConstraints(
        poses=poses_of(scene, "arbitrary"),
        distances=(KnownDistance("00.jpg", (30, 60), (105, 60), 5.0),),  # 2.5 units
    )
    moved = apply_metric_scale(scene, both)
    assert (moved.units, moved.world) == ("metre", "the survey, in metres")
    half = camera_centers(poses_of(scene).cam_from_world) / 2
    torch.testing.assert_close(moved.cameras.centers.double(), half, rtol=0, atol=1e-3)


def test_one_known_pose_gives_the_frame_alone():
    scene = scene_at(circle())
    one = poses_of(scene, views=(2,))
    moved = apply_metric_scale(scene, MetricConstraints(poses=one))
    assert moved.units == "arbitrary"
    torch.testing.assert_close(
        moved.cameras.cam_from_world[2].double(), one.cam_from_world[2], rtol=0, atol=1e-4
    )
    assert "they stand at one place" in doubts_of(moved)
    distance = (KnownDistance("00.jpg", (30, 60), (105, 60), 10.0),)
    sized = apply_metric_scale(scene, MetricConstraints(poses=one, distances=distance))
    assert sized.units == "metre"
    torch.testing.assert_close(
        sized.cameras.cam_from_world[2].double(), one.cam_from_world[2], rtol=0, atol=1e-4
    )


def test_known_poses_that_contradict_are_named():
    scene = scene_at(circle())
    poses = poses_of(scene)
    poses.cam_from_world[4, :, 3] += 30
    moved = apply_metric_scale(scene, MetricConstraints(poses=poses))
    assert moved.report.metric_scale.estimates[0]["outliers"] == ("04.jpg",)
    assert moved.report.metric_scale.metres_per_unit == pytest.approx(4, rel=1e-4)


def test_known_poses_that_contradict_throughout_change_nothing():
    scene = scene_at(circle())
    nonsense = KnownPoses(scene_at(draw(9, 12, 3)).cameras.cam_from_world.roll(5, 0), "w")
    for units in ("metre", "arbitrary"):
        moved = apply_metric_scale(scene, MetricConstraints(poses=replace(nonsense, units=units)))
        assert "contradict each other throughout" in doubts_of(moved)
        assert (moved.units, moved.world) == ("arbitrary", "reference camera")
        torch.testing.assert_close(moved.cameras.cam_from_world, scene.cameras.cam_from_world)


def test_no_photo_with_a_known_pose_is_said():
    scene = scene_at(circle())
    none = KnownPoses(torch.full((12, 3, 4), torch.nan, dtype=torch.float64), "w", "metre")
    moved = apply_metric_scale(scene, MetricConstraints(poses=none))
    assert "no photo of the scene has one" in doubts_of(moved)
    assert moved.world == "reference camera"


def test_a_distance_gives_the_scale_exactly():
    # 75 pixels at focal length 150 and depth 5: 2.5 units, which are 10 m.
    scene = scene_at(circle())
    known = KnownDistance("00", (30, 60), (105, 60), 10.0)
    moved = apply_metric_scale(scene, MetricConstraints(distances=(known,)))
    report = moved.report.to_json()["metric_scale"]
    assert report["metres_per_unit"] == pytest.approx(4, rel=1e-6)
    low, high = report["interval_95"]
    # One grid pixel is ten of the photo's 75: that much a reading may be off.
    assert (low, high) == (pytest.approx(10 / (95 / 30), rel=1e-4), pytest.approx(10 / (55 / 30)))
    assert "no scatter from which an error could be told" in doubts_of(moved)
    assert moved.units == "metre"


def test_a_distorted_photo_is_read_along_its_rays():
    scene = scene_at(circle())
    bent = replace(scene.cameras, radial=torch.full((12,), 0.2))
    known = KnownDistance("00", (5, 60), (155, 60), 10.0)  # the same to both sides
    straight = apply_metric_scale(scene, MetricConstraints(distances=(known,)))
    curved = apply_metric_scale(replace(scene, cameras=bent), MetricConstraints(distances=(known,)))
    # u (1 + 0.2 u^2) = 0.5 (75 pixels of 150): the ideal ray is at u = 0.47814.
    wanted = straight.report.metric_scale.metres_per_unit * 0.5 / 0.47814
    metres_per_unit = curved.report.metric_scale.metres_per_unit
    assert metres_per_unit == pytest.approx(wanted, rel=1e-4)


def test_depth_at_pixels():
    scene = scene_at(circle())
    known = tuple(KnownDepth(f"{view:02}.jpg", (20.0 + view, 50), 20.0) for view in range(5))
    report = apply_metric_scale(scene, MetricConstraints(depths=known)).report.to_json()[
        "metric_scale"
    ]
    assert report["metres_per_unit"] == pytest.approx(4, rel=1e-6)
    assert report["doubts"] == []


def test_a_minority_of_readings_is_left_out_and_named():
    scene = scene_at(circle())
    known = [KnownDepth(f"{v:02}.jpg", (20, 50), 20.0 * (1 + 0.01 * v)) for v in range(5)]
    known[3] = KnownDepth("03.jpg", (20, 50), 60.0)
    report = apply_metric_scale(scene, MetricConstraints(depths=tuple(known))).report.to_json()
    estimate = report["metric_scale"]["estimates"][0]
    assert estimate["outliers"] == ["03.jpg (20, 50)"]
    low, high = estimate["interval_95"]
    assert low < 4.07 < high
    assert high - low < 0.3


def test_two_readings_that_contradict_each_other_are_not_averaged():
    scene = scene_at(circle())
    known = (KnownDepth("00.jpg", (20, 50), 20.0), KnownDepth("01.jpg", (20, 50), 30.0))
    moved = apply_metric_scale(scene, MetricConstraints(depths=known))
    assert moved.units == "arbitrary"
    assert "contradict each other, and no majority agrees" in doubts_of(moved)
    assert "00.jpg (20, 50): 4, 01.jpg (20, 50): 6" in doubts_of(moved)
    torch.testing.assert_close(moved.depth, scene.depth)


def test_kinds_that_contradict_each_other_are_reported_and_one_is_believed():
    scene = with_gps(scene_at(circle()), noise=0.1)
    feet = KnownDistance("00.jpg", (30, 60), (105, 60), 32.8)  # somebody measured in feet
    moved = apply_metric_scale(scene, MetricConstraints(gps=True, distances=(feet,)))
    report = moved.report.to_json()["metric_scale"]
    assert "known distances and gps contradict each other: 13.12" in doubts_of(moved)
    assert "known distances is believed" in doubts_of(moved)
    assert report["scale_by"] == "known distances"
    assert report["metres_per_unit"] == pytest.approx(13.12, rel=1e-4)
    assert [e["metres_per_unit"] for e in report["estimates"]] == [
        pytest.approx(13.12, rel=1e-4),
        pytest.approx(4, rel=0.02),
    ]
    assert any("contradict" in warning for warning in moved.report.to_json()["warnings"])


def test_kinds_that_agree_use_the_surest_and_keep_the_frame():
    scene = with_gps(scene_at(circle()), noise=0.05)
    rough = KnownDistance("00.jpg", (30, 60), (105, 60), 10.1)
    moved = apply_metric_scale(scene, MetricConstraints(gps=True, distances=(rough,)))
    report = moved.report.to_json()["metric_scale"]
    assert (report["scale_by"], report["frame_by"]) == ("gps", "gps")
    assert "contradict" not in doubts_of(moved)
    exact = tuple(KnownDepth(f"{v:02}.jpg", (20, 50), 20.0) for v in range(6))
    noisy = with_gps(scene_at(circle()), noise=2.0)
    moved = apply_metric_scale(noisy, MetricConstraints(gps=True, depths=exact))
    report = moved.report.to_json()["metric_scale"]
    assert (report["scale_by"], report["frame_by"]) == ("known depth", "gps")
    assert report["metres_per_unit"] == pytest.approx(4, rel=1e-6)
    truth = ENU_FROM_SCENE.transform_points(scene.cameras.centers.double())
    offset = moved.cameras.centers.double() - truth
    assert float((offset - offset.mean(0)).norm(dim=-1).max()) < 8  # turned a little by noise


def test_a_pixel_at_the_edge_of_a_surface_is_said():
    scene = scene_at(circle())
    scene.depth[0, :, 8:] = 20.0
    moved = apply_metric_scale(
        scene, MetricConstraints(depths=(KnownDepth("00.jpg", (75, 50), 20.0),))
    )
    assert "may lie on the edge of a surface" in doubts_of(moved)


@pytest.mark.parametrize(
    ("constraint", "error", "message"),
    [
        (KnownDistance("absent", (1, 1), (2, 2), 1), InputError, "no photo 'absent' in the scene"),
        (KnownDistance("00.jpg", (1, 1), (161, 2), 1), InputError, r"\(161, 2\) .* lies outside"),
        (KnownDepth("00.jpg", (-1, 1), 1), InputError, "lies outside the photo: 160 x 120"),
        (KnownDepth("11.jpg", (15, 15), 1), InputError, "has no depth in the scene"),
        (KnownDepthMap("00.jpg", Path("absent.npy")), ImageError, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(constraint, error, message):
    scene = scene_at(circle())
    scene.depth[11] = torch.nan
    distances = (constraint,) if isinstance(constraint, KnownDistance) else ()
    depths = () if distances else (constraint,)
    with pytest.raises(error, match=message):
        apply_metric_scale(scene, MetricConstraints(distances=distances, depths=depths))


def test_constraints_that_cannot_be_are_refused_when_made():
    for metres in (0, -1, math.nan, math.inf):
        with pytest.raises(InputError, match="must be from 1e-09 to 1e"):
            KnownDepth("a", (1, 1), metres)
    with pytest.raises(InputError, match="two different pixels"):
        KnownDistance("a", (1, 1), (1, 1), 2)
    with pytest.raises(InputError, match="nothing is known"):
        apply_metric_scale(scene_at(circle()), MetricConstraints())
    blind = replace(scene_at(circle()), depth=None)
    with pytest.raises(SceneError, match="has no depth"):
        apply_metric_scale(blind, MetricConstraints(depths=(KnownDepth("00", (1, 1), 2),)))


@pytest.mark.parametrize("suffix", ["npy", "png"])
def test_depth_maps_of_another_size(tmp_path, suffix):
    scene = scene_at(circle())
    scene.depth[0] += torch.linspace(-1, 1, 16)  # a slanted wall
    truth = scene.depth[0] * 4
    truth = truth.repeat_interleave(3, 0).repeat_interleave(3, 1).numpy()
    truth[:6] = 0  # unknown
    path = tmp_path / f"depth.{suffix}"
    if suffix == "npy":
        np.save(path, truth)
        known = KnownDepthMap("00.jpg", path)
    else:
        Image.fromarray((truth * 1000).round().astype(np.uint16)).save(path)
        known = KnownDepthMap("00.jpg", path, 0.001)
    report = apply_metric_scale(scene, MetricConstraints(depths=(known,))).report.to_json()[
        "metric_scale"
    ]
    assert report["metres_per_unit"] == pytest.approx(4, rel=1e-3)


def test_a_depth_map_that_says_nothing_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((12, 16)))
    known = KnownDepthMap("00.jpg", tmp_path / "a.npy")
    with pytest.raises(InputError, match="fewer than 50 pixels"):
        apply_metric_scale(scene_at(circle()), MetricConstraints(depths=(known,)))
    np.save(tmp_path / "b.npy", np.zeros((12, 16, 3)))
    known = KnownDepthMap("00.jpg", tmp_path / "b.npy")
    with pytest.raises(ImageError, match="must be one channel"):
        apply_metric_scale(scene_at(circle()), MetricConstraints(depths=(known,)))


def test_the_report_is_json():
    scene = with_gps(scene_at(circle()), noise=1.0, wrong=(2,))
    depth = (KnownDepth("00.jpg", (20, 50), 20.0),)
    moved = apply_metric_scale(scene, MetricConstraints(gps=True, depths=depth))
    assert '"metres_per_unit"' in to_json_text(moved.report.to_json())


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 8, 20, 100])
def test_students_quantile(freedom):
    exact = scipy.special.stdtrit(freedom, 0.975)
    assert student_quantile(freedom) == pytest.approx(exact, rel=0.03)


@pytest.mark.shared
def test_true_depth_of_a_real_set_gives_its_metres():
    """HoloLens's own depth against a scene of the same depth, shrunk and made rough."""
    if not (SHARED / "hololens_office").is_dir():
        pytest.skip(f"the photo set hololens_office is not in {SHARED}")
    photos = load_photo_set(SHARED / "hololens_office")
    views = [v for v in range(len(photos)) if photos.depth_paths[v] is not None][:4]
    scene = scene_at(draw(4, len(views), 3), grid=(24, 36))
    truth = torch.stack([photos.load_depth(v) for v in views])
    small = torch.nn.functional.interpolate(truth[:, None], (24, 36))[:, 0] / 7
    rough = small * (1 + 0.05 * draw(5, *small.shape).float())
    scene = replace(scene, depth=rough)
    known = tuple(
        KnownDepthMap(f"{n:02}.jpg", photos.depth_paths[v], photos.depth_scale)
        for n, v in enumerate(views)
    )
    report = apply_metric_scale(scene, MetricConstraints(depths=known)).report.to_json()[
        "metric_scale"
    ]
    assert report["metres_per_unit"] == pytest.approx(7, rel=0.02)
    assert report["interval_95"][0] < 7.1
    assert report["interval_95"][1] > 6.9
