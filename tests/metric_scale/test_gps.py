"""Metres, and the East-North-Up frame, from GPS: exact, noisy, wrong, and too little of it."""

from dataclasses import replace

import pytest
import torch

from glance3d.metric_scale import (
    GeodeticOrigin,
    MetricConstraints,
    apply_metric_scale,
    enu_from_geodetic,
)
from glance3d.types import PhotoMetadata
from tests.metric_scale.scenes import ENU_FROM_SCENE, circle, draw, scene_at, with_gps

GPS = MetricConstraints(gps=True)


def doubts_of(scene):
    return " | ".join(scene.report.to_json()["metric_scale"]["doubts"])


def test_exact_positions_give_scale_frame_and_place():
    scene = with_gps(scene_at(circle()))
    moved = apply_metric_scale(scene, GPS)
    report = moved.report.to_json()["metric_scale"]
    assert moved.units == "metre"
    assert moved.world.startswith("east-north-up at 46.948")
    assert report["metres_per_unit"] == pytest.approx(4, rel=1e-5)
    assert report["interval_95"][0] <= 4.00001
    assert report["interval_95"][1] - report["interval_95"][0] < 1e-3
    assert report["doubts"] == []
    # Cameras stand where their photos say, in the frame that the world names.
    numbers = moved.world.removeprefix("east-north-up at ").removesuffix(" m").split(", ")
    origin = GeodeticOrigin(*map(float, numbers))
    rows = [(f.latitude, f.longitude, f.altitude) for f in moved.metadata]
    enu = enu_from_geodetic(torch.tensor(rows, dtype=torch.float64), origin)
    torch.testing.assert_close(moved.cameras.centers.double(), enu, rtol=0, atol=0.02)
    torch.testing.assert_close(moved.depth, scene.depth * report["metres_per_unit"])


def test_wrong_positions_are_named_and_change_nothing():
    scene = with_gps(scene_at(circle()), noise=0.5, wrong=(2, 7))
    report = apply_metric_scale(scene, GPS).report.to_json()
    estimate = report["metric_scale"]["estimates"][0]
    assert estimate["outliers"] == ["02.jpg", "07.jpg"]
    assert estimate["num_agreeing"] == 10
    assert estimate["metres_per_unit"] == pytest.approx(4, rel=0.05)
    assert "left out, because the others contradict them: 02.jpg, 07.jpg" in report["warnings"][0]
    assert estimate["measures"][7]["residual"] > 1000


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    held, trials = 0, 80
    for seed in range(trials):
        scene = with_gps(scene_at(circle(8)), noise=2.0, seed=1000 + seed)
        low, high = apply_metric_scale(scene, GPS).report.metric_scale.interval_95
        held += low <= 4 <= high
    assert 0.88 <= held / trials <= 1.0


def test_positions_on_a_line_tell_the_scale_only():
    line = torch.linspace(0, 20, 10).double()[:, None] * torch.tensor([[1.0, 0.2, 0.1]]).double()
    for noise, wiggle in ((0.0, 0.0), (2.0, 0.05)):
        scene = with_gps(scene_at(line + wiggle * draw(8, 10, 3)), noise=noise)
        moved = apply_metric_scale(scene, GPS)
        assert "lie on a line, nearly" in doubts_of(moved)
        assert (moved.units, moved.world) == ("metre", "reference camera")
        assert moved.report.metric_scale.metres_per_unit == pytest.approx(4, rel=0.1)
        # Nothing but the scale has changed: the first camera still is where it was.
        torch.testing.assert_close(
            moved.cameras.cam_from_world[..., :3], scene.cameras.cam_from_world[..., :3]
        )


def test_two_positions_tell_a_scale_if_they_are_far_apart():
    far = torch.tensor([[0.0, 0, 0], [100, 0, 0]]).double()
    moved = apply_metric_scale(with_gps(scene_at(far)), GPS)
    report = moved.report.to_json()["metric_scale"]
    assert (moved.units, moved.world) == ("metre", "reference camera")
    assert report["metres_per_unit"] == pytest.approx(4, rel=1e-5)
    low, high = report["interval_95"]
    assert (high - low) / 2 == pytest.approx(13.86 / 100, rel=0.01)
    assert "two positions tell a scale and no direction" in doubts_of(moved)
    near = apply_metric_scale(with_gps(scene_at(far / 50)), GPS)
    assert near.units == "arbitrary"
    assert "too badly to speak of metres" in doubts_of(near)
    torch.testing.assert_close(near.depth, torch.full_like(near.depth, 5.0))


def test_three_positions_assume_a_noise():
    centers = circle(3, radius=50.0)
    moved = apply_metric_scale(with_gps(scene_at(centers)), GPS)
    assert "three positions fit too well to tell their noise" in doubts_of(moved)
    low, high = moved.report.metric_scale.interval_95
    assert 0.1 < high - low < 1.0


@pytest.mark.parametrize("num", [0, 1])
def test_too_few_positions_are_said(num):
    scene = with_gps(scene_at(circle()))
    metadata = tuple(f if v < num else PhotoMetadata() for v, f in enumerate(scene.metadata))
    moved = apply_metric_scale(replace(scene, metadata=metadata), GPS)
    assert moved.units == "arbitrary"
    assert moved.report.metric_scale.applied is False
    assert ("only 00.jpg has" if num else "no photo's EXIF") in doubts_of(moved)
    assert apply_metric_scale(replace(scene, metadata=()), GPS).units == "arbitrary"


def test_photos_at_one_place_tell_nothing():
    still = scene_at(torch.zeros(6, 3))
    moved = apply_metric_scale(with_gps(still, noise=3.0), GPS)
    assert moved.units == "arbitrary"
    assert "stand at one place" in doubts_of(moved)
    same = with_gps(scene_at(circle(6)))
    same = replace(same, metadata=(same.metadata[0],) * 6)
    moved = apply_metric_scale(same, GPS)
    assert moved.units == "arbitrary"
    assert "the very same position" in doubts_of(moved)


def test_noise_as_large_as_the_scene_is_no_measure():
    scene = with_gps(scene_at(circle(8, radius=0.3, wobble=0.1)), noise=4.0)
    moved = apply_metric_scale(scene, GPS)
    assert moved.units == "arbitrary"
    assert "too badly to speak of metres" in doubts_of(moved)


def test_a_scene_smaller_than_the_usual_noise_is_said():
    scene = with_gps(scene_at(circle(12, radius=0.8, wobble=0.3)), noise=0.02)  # a survey receiver
    moved = apply_metric_scale(scene, GPS)
    assert moved.units == "metre"
    assert "less than receivers are usually off by" in doubts_of(moved)


def test_missing_heights_are_said():
    flat = scene_at(circle(wobble=0.0))
    level = replace(
        ENU_FROM_SCENE, rotation=torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]).double()
    )
    moved = apply_metric_scale(with_gps(flat, truth=level, height=False), GPS)
    assert "no position has a height" in doubts_of(moved)
    assert moved.report.metric_scale.metres_per_unit == pytest.approx(4, rel=1e-3)


def test_the_same_input_gives_the_same_answer():
    scene = with_gps(scene_at(circle(40)), noise=3.0, wrong=(1, 2, 3))
    first, again = (apply_metric_scale(scene, GPS, seed=5) for _ in range(2))
    assert torch.equal(first.cameras.cam_from_world, again.cameras.cam_from_world)
    assert first.report.to_json()["metric_scale"] == again.report.to_json()["metric_scale"]
