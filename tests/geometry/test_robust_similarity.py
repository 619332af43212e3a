"""Similarities are found again, also where a minority of what was measured is wrong."""

import math

import pytest
import torch

from glance3d.errors import InputError
from glance3d.geometry.robust_similarity import (
    estimate_robust_pose_similarity,
    estimate_robust_similarity,
    principal_spread,
)
from glance3d.geometry.rotations import rotation_angle, so3_exp
from glance3d.geometry.similarity import Similarity


def draw(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def rotation_of(seed):
    return so3_exp(draw(seed, 3))


TRUTH = Similarity(3.7, rotation_of(1), torch.tensor([100.0, -50.0, 7.0]).double())


def poses_at(centers, seed=3):
    rotations = so3_exp(draw(seed, len(centers), 3))
    return torch.cat([rotations, -rotations @ centers[..., None]], -1)


def assert_same(estimated, wanted, rel=1e-5):
    assert estimated.scale == pytest.approx(wanted.scale, rel=rel)
    assert float(rotation_angle(estimated.rotation, wanted.rotation)) < rel
    torch.testing.assert_close(estimated.translation, wanted.translation, rtol=rel, atol=rel)


@pytest.mark.parametrize("num", [3, 4, 5, 20, 300])
def test_exact_positions(num):
    source = draw(0, num, 3)
    fit = estimate_robust_similarity(source, TRUTH.transform_points(source))
    assert_same(fit.target_from_source, TRUTH)
    assert fit.inliers.all()
    assert fit.sigma < 1e-5


@pytest.mark.parametrize(("num", "wrong"), [(5, 1), (7, 2), (12, 4), (200, 80)])
def test_wrong_positions_are_found_and_change_nothing(num, wrong):
    source = draw(0, num, 3)
    target = TRUTH.transform_points(source)
    target[:wrong] += 40 * draw(5, wrong, 3)
    fit = estimate_robust_similarity(source, target)
    assert_same(fit.target_from_source, TRUTH)
    assert fit.inliers.tolist() == [False] * wrong + [True] * (num - wrong)


def test_noise_is_measured_and_the_answer_is_as_good_as_least_squares():
    source = draw(0, 60, 3)
    target = TRUTH.transform_points(source) + 0.1 * draw(6, 60, 3)
    target[:10] += 30
    fit = estimate_robust_similarity(source, target)
    assert fit.sigma == pytest.approx(0.1, rel=0.25)
    assert fit.inliers.tolist() == [False] * 10 + [True] * 50
    assert fit.target_from_source.scale == pytest.approx(3.7, abs=4 * 0.1 / math.sqrt(150))


def test_what_lies_within_the_noise_is_never_called_wrong():
    source = draw(0, 12, 3)
    target = TRUTH.transform_points(source)
    target[0] += 2.0
    assert not estimate_robust_similarity(source, target).inliers[0]
    assert estimate_robust_similarity(source, target, min_sigma=2.0).inliers.all()


def test_the_same_input_gives_the_same_answer():
    source, target = draw(0, 80, 3), draw(1, 80, 3)
    first, again = (estimate_robust_similarity(source, target) for _ in range(2))
    assert torch.equal(first.target_from_source.rotation, again.target_from_source.rotation)


@pytest.mark.parametrize("num", [1, 2, 3, 10, 100])
def test_exact_poses(num):
    source = poses_at(draw(0, num, 3))
    fit = estimate_robust_pose_similarity(source, TRUTH.transform_cameras(source))
    if num == 1:  # one place says nothing of scale, but all of rotation and position
        assert fit.target_from_source.scale == 1.0
        assert float(rotation_angle(fit.target_from_source.rotation, TRUTH.rotation)) < 1e-6
    else:
        assert_same(fit.target_from_source, TRUTH)
    assert fit.inliers.all()
    assert float(fit.distances.max()) < 1e-4


def test_poses_on_a_line_say_all():
    centers = torch.linspace(0, 1, 6).double()[:, None] * draw(2, 3)
    source = poses_at(centers)
    fit = estimate_robust_pose_similarity(source, TRUTH.transform_cameras(source))
    assert_same(fit.target_from_source, TRUTH)


@pytest.mark.parametrize("kind", ["turned", "moved", "both"])
def test_wrong_poses_are_found_and_change_nothing(kind):
    source = poses_at(draw(0, 9, 3))
    wrong = source.clone()
    if kind in ("turned", "both"):  # about its own centre
        wrong[:3] = rotation_of(8) @ wrong[:3]
    if kind in ("moved", "both"):
        wrong[:3, :, 3] += 5 * draw(9, 3, 3)
    fit = estimate_robust_pose_similarity(source, TRUTH.transform_cameras(wrong))
    assert_same(fit.target_from_source, TRUTH, rel=1e-4)
    assert fit.inliers.tolist() == [False] * 3 + [True] * 6


def test_noisy_poses():
    source = poses_at(draw(0, 30, 3))
    noisy = TRUTH.transform_cameras(source)
    noisy = torch.cat([so3_exp(0.02 * draw(11, 30, 3)) @ noisy[..., :3], noisy[..., 3:]], -1)
    shift = 0.05 * draw(12, 30, 3)
    noisy[..., 3] = (noisy[..., :3] @ -(TRUTH.transform_points(draw(0, 30, 3)) + shift)[..., None])[
        ..., 0
    ]
    fit = estimate_robust_pose_similarity(source, noisy)
    assert fit.angle_sigma == pytest.approx(0.02, rel=0.3)
    assert fit.sigma == pytest.approx(0.05, rel=0.3)
    assert fit.target_from_source.scale == pytest.approx(3.7, rel=0.02)


def test_contradictory_poses_give_an_answer():
    source = poses_at(draw(0, 8, 3))
    for num in (2, 8):
        nonsense = poses_at(draw(20, 8, 3), seed=21)
        fit = estimate_robust_pose_similarity(source[:num], nonsense[:num])
        assert 0.02 < fit.target_from_source.scale < 50
        assert fit.distances.isfinite().all()


def test_what_positions_span():
    line = torch.linspace(-1, 1, 11).double()[:, None] * torch.tensor([3.0, 0, 4]).double()
    extents = principal_spread(line + 7)
    assert float(extents[0]) == pytest.approx(5 * math.sqrt(0.4), rel=1e-6)
    assert float(extents[1]) < 1e-6


def test_too_few_are_refused():
    with pytest.raises(InputError, match="at least three positions, not 2"):
        estimate_robust_similarity(draw(0, 2, 3), draw(1, 2, 3))
    with pytest.raises(InputError, match="at least one pose"):
        estimate_robust_pose_similarity(draw(0, 0, 3, 4), draw(1, 0, 3, 4))


def test_a_known_scale_is_kept_and_one_camera_says_the_rest():
    source = poses_at(draw(0, 6, 3))
    target = TRUTH.transform_cameras(source)
    for count in (1, 2, 6):
        fit = estimate_robust_pose_similarity(source[:count], target[:count], scale=TRUTH.scale)
        assert_same(fit.target_from_source, TRUTH)
    target[0, :, 3] += 40
    fit = estimate_robust_pose_similarity(source, target, scale=TRUTH.scale)
    assert_same(fit.target_from_source, TRUTH)
    assert fit.inliers.tolist() == [False] + [True] * 5
    other = estimate_robust_pose_similarity(source, target, scale=2.0)
    assert other.target_from_source.scale == 2.0
    assert other.sigma > 0.1
