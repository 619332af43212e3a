"""Adjustment finds what was disturbed, leaves what is fixed, and ends where pycolmap would."""

import copy

import numpy as np
import pycolmap
import pytest

from glance3d.refinement.mapping.bundle_adjustment import adjust_until_converged
from glance3d.refinement.tracks.observations import read_observations
from tests.refinement.mapping.synthetic import one_camera

FOCAL = 1280.0


@pytest.fixture
def noisy() -> pycolmap.Reconstruction:
    """Six views of 120 points: true but for half a pixel of noise, and a focal length 2 % off."""
    reconstruction = pycolmap.synthesize_dataset(one_camera(6, 120))
    random = np.random.default_rng(0)
    for image in reconstruction.images.values():
        for point in image.points2D:
            point.xy = point.xy + random.normal(0, 0.5, 2)
    for camera in reconstruction.cameras.values():
        camera.focal_length *= 1.02
    return reconstruction


def focal_length(reconstruction: pycolmap.Reconstruction) -> float:
    (camera,) = reconstruction.cameras.values()
    return camera.focal_length


def centers(reconstruction: pycolmap.Reconstruction) -> np.ndarray:
    return np.array([i.projection_center() for _, i in sorted(reconstruction.images.items())])


def test_the_focal_length_is_found_again(noisy: pycolmap.Reconstruction) -> None:
    assert focal_length(noisy) == pytest.approx(1.02 * FOCAL)
    adjust_until_converged(noisy, max_error=4.0, min_angle=1.0)
    assert focal_length(noisy) == pytest.approx(FOCAL, rel=5e-3)
    assert noisy.compute_mean_reprojection_error() < 1.0


def test_constant_cameras_and_fixed_images_stay(noisy: pycolmap.Reconstruction) -> None:
    fixed = list(noisy.reg_image_ids())[:2]
    before = {i: noisy.image(i).cam_from_world().matrix().copy() for i in fixed}
    adjust_until_converged(
        noisy, max_error=40.0, min_angle=1.0, fixed_images=fixed, constant_cameras=[1]
    )
    assert focal_length(noisy) == pytest.approx(1.02 * FOCAL)
    for image_id, pose in before.items():
        np.testing.assert_allclose(noisy.image(image_id).cam_from_world().matrix(), pose, atol=1e-9)


def test_pycolmaps_own_adjustment_finds_nothing_better(noisy: pycolmap.Reconstruction) -> None:
    adjust_until_converged(noisy, max_error=4.0, min_angle=1.0)
    error, focal = noisy.compute_mean_reprojection_error(), focal_length(noisy)
    pycolmap.bundle_adjustment(noisy)
    noisy.update_point_3d_errors()
    assert noisy.compute_mean_reprojection_error() == pytest.approx(error, rel=1e-3)
    assert focal_length(noisy) == pytest.approx(focal, rel=1e-4)


@pytest.mark.parametrize("count", [0, 1])
def test_of_fewer_than_two_views_nothing_is_adjusted(
    noisy: pycolmap.Reconstruction, count: int
) -> None:
    for image_id in sorted(noisy.images)[count:]:
        noisy.deregister_frame(noisy.image(image_id).frame_id)
    adjust_until_converged(noisy, max_error=4.0, min_angle=1.0)
    assert noisy.num_reg_images() == count
    assert noisy.num_points3D() == 0
    assert focal_length(noisy) == pytest.approx(1.02 * FOCAL)


def test_tightened_what_misses_by_far_more_than_most_has_no_say(
    noisy: pycolmap.Reconstruction,
) -> None:
    wrong = list(noisy.images.values())[2].points2D
    for point in list(wrong)[::10]:
        point.xy = point.xy + np.array([4.5, 0.0])
    plain = copy.deepcopy(noisy)
    adjust_until_converged(plain, max_error=6.0, min_angle=1.0)
    adjust_until_converged(noisy, max_error=6.0, min_angle=1.0, tighten=True)
    assert 0 < plain.compute_num_observations() - noisy.compute_num_observations() < 60
    assert read_observations(plain).errors().max() > 3.0
    assert read_observations(noisy).errors().max() < 2.2
    # What has but half a pixel of noise along x and y stays.
    assert noisy.compute_num_observations() > 0.95 * 6 * 120


def test_no_view_loses_most_of_its_observations_to_a_tightened_tolerance(
    noisy: pycolmap.Reconstruction,
) -> None:
    random = np.random.default_rng(1)
    (first, *_) = sorted(noisy.images)
    for point in noisy.image(first).points2D:
        point.xy = point.xy + random.normal(0, 3.0, 2)
    adjust_until_converged(noisy, max_error=15.0, min_angle=1.0, tighten=True)
    assert noisy.image(first).num_points3D > 0.6 * 120
