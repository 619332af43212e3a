import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glance3d.errors import InputError
from glance3d.evaluation.metrics import (
    depth_errors,
    fov_error_deg,
    pose_auc,
    relative_pose_errors,
    track_errors,
)
from tests.reference import slow_metrics


def turn_about_y(degrees: float) -> torch.Tensor:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def camera(rotation: torch.Tensor, center: tuple[float, float, float]) -> torch.Tensor:
    return torch.cat([rotation, -rotation @ torch.tensor(center)[:, None]], -1)


def random_cameras(seed: int, views: int) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    matrices = [np.linalg.qr(generator.normal(size=(3, 3)))[0] for _ in range(views)]
    matrices = [matrix * np.linalg.det(matrix) for matrix in matrices]
    cameras = np.concatenate([np.stack(matrices), generator.normal(size=(views, 3, 1))], -1)
    return torch.from_numpy(cameras).float()


def test_pair_errors_of_a_hand_case():
    # The true camera stands to the right; the predicted one 30 degrees off that, turned by 10.
    truth = torch.stack([camera(torch.eye(3), (0.0, 0, 0)), camera(torch.eye(3), (1.0, 0, 0))])
    away = (2 * math.cos(math.radians(30)), 0.0, 2 * math.sin(math.radians(30)))
    first = camera(torch.eye(3), (0.0, 0, 0))
    errors = relative_pose_errors(torch.stack([first, camera(torch.eye(3), away)]), truth)
    assert errors.rotation.tolist() == pytest.approx([0])
    assert errors.translation.tolist() == pytest.approx([30], abs=1e-4)
    turned = relative_pose_errors(
        torch.stack([first, camera(turn_about_y(10.0), (1.0, 0, 0))]), truth
    )
    assert turned.rotation.tolist() == pytest.approx([10], abs=1e-4)
    assert turned.worse.tolist() == pytest.approx([10], abs=1e-4)


def test_an_opposite_direction_is_180_degrees_off():
    truth = torch.stack([camera(torch.eye(3), (0.0, 0, 0)), camera(torch.eye(3), (1.0, 0, 0))])
    predicted = torch.stack([camera(torch.eye(3), (0.0, 0, 0)), camera(torch.eye(3), (-1.0, 0, 0))])
    assert relative_pose_errors(predicted, truth).translation.tolist() == pytest.approx([180])


def test_a_missing_direction_is_wrong_unless_the_truth_has_none():
    still = torch.stack([camera(torch.eye(3), (0.0, 0, 0))] * 2)
    moved = torch.stack([camera(torch.eye(3), (0.0, 0, 0)), camera(torch.eye(3), (1.0, 0, 0))])
    assert relative_pose_errors(still, moved).translation.tolist() == pytest.approx([180])
    assert relative_pose_errors(moved, still).translation.tolist() == [0]


def test_the_world_frame_and_scale_do_not_matter():
    truth = random_cameras(0, 4)
    move = torch.eye(4)
    move[:3] = random_cameras(1, 1)[0]
    moved = truth @ move
    moved[..., 3] *= 7
    errors = relative_pose_errors(moved, truth)
    assert float(errors.rotation.max()) < 0.01
    # Scaling the translations scales the world, so directions stay.
    rescaled = truth.clone()
    rescaled[..., 3] *= 7
    assert float(relative_pose_errors(rescaled, truth).worse.max()) < 0.01


def test_auc_of_a_hand_case():
    # Recall at 1..5 degrees of errors 0.5 and 2.5: 1/2, 1/2, 1, 1, 1.
    assert pose_auc(torch.tensor([0.5, 2.5]), 5) == pytest.approx((0.5 + 0.5 + 1 + 1 + 1) / 5)
    assert pose_auc(torch.zeros(3), 30) == 1
    assert pose_auc(torch.tensor([31.0]), 30) == 0
    assert math.isnan(pose_auc(torch.zeros(0), 30))
    with pytest.raises(InputError, match="at least 1 degree"):
        pose_auc(torch.zeros(1), 0)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), views=st.integers(2, 5))
def test_poses_equal_the_slow_twin(seed: int, views: int):
    truth, predicted = random_cameras(seed, views), random_cameras(seed + 1, views)
    predicted = torch.cat([truth[..., :3], 0.5 * predicted[..., 3:] + truth[..., 3:]], -1)
    slow = slow_metrics.pair_errors(predicted.double().numpy(), truth.double().numpy())
    fast = relative_pose_errors(predicted, truth).worse
    np.testing.assert_allclose(fast.numpy(), slow, atol=0.05)
    away = all(abs(error - round(error)) > 0.06 for error in slow)
    if away:
        assert pose_auc(fast, 30) == pytest.approx(slow_metrics.auc(slow, 30))


def test_depth_of_a_hand_case():
    # Ratios truth / said are 2, 2, 3: after doubling, the last pixel says 2 where 3 is true.
    errors = depth_errors(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([2.0, 4.0, 3.0]))
    assert errors.depth_absrel_scale_aligned == pytest.approx((1 / 3) / 3)
    assert errors.depth_delta_125_scale_aligned == pytest.approx(2 / 3)
    assert errors.num_pixels == 3


def test_unknown_depth_does_not_count():
    predicted = torch.tensor([[1.0, 5.0], [0.0, 1.0]])
    truth = torch.tensor([[2.0, 0.0], [9.0, 2.0]])
    errors = depth_errors(predicted, truth)
    assert (errors.num_pixels, errors.depth_absrel_scale_aligned) == (2, 0)
    assert math.isnan(depth_errors(predicted, torch.zeros(2, 2)).depth_absrel_scale_aligned)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), count=st.integers(1, 40))
def test_depth_equals_the_slow_twin(seed: int, count: int):
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.rand(count, generator=generator) + 0.1
    truth = torch.rand(count, generator=generator) + 0.1
    fast = depth_errors(predicted, truth)
    slow = slow_metrics.depth(predicted.double().numpy(), truth.double().numpy())
    assert fast.depth_absrel_scale_aligned == pytest.approx(slow[0])
    assert fast.depth_delta_125_scale_aligned == pytest.approx(slow[1])


def test_field_of_view_error():
    def intrinsics(degrees: float) -> torch.Tensor:
        focal = 50 / math.tan(math.radians(degrees) / 2)
        return torch.tensor([[[focal, 0, 50], [0, focal, 50], [0, 0, 1]]])

    sizes = torch.tensor([[100.0, 100.0]])
    assert fov_error_deg(intrinsics(50.0), intrinsics(60.0), sizes) == pytest.approx(10, abs=1e-4)


def test_track_errors_count_what_is_visible_in_later_views():
    truth = torch.zeros(3, 3, 2)
    predicted = torch.full((3, 3, 2), 100.0)
    predicted[1, 0] = torch.tensor([3.0, 4.0])
    predicted[1, 1] = torch.tensor([0.0, 3.0])
    predicted[2, 2] = torch.nan
    visibility = torch.tensor([[True] * 3, [True, True, False], [False, False, True]])
    errors = track_errors(predicted, truth, visibility)
    assert errors.track_error_px_median == 5
    assert errors.track_within_3px == pytest.approx(1 / 3)
    nothing = track_errors(predicted, truth, torch.zeros(3, 3, dtype=torch.bool))
    assert math.isnan(nothing.track_error_px_median)
    assert math.isnan(nothing.track_within_3px)
