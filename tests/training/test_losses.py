import math

import pytest
import torch

from glance3d.errors import ConfigError
from glance3d.training.losses.scene import (
    LossWeights,
    camera_loss,
    dense_loss,
    log_depth_loss,
    matching_loss,
    track_loss,
)


def pose(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, 9)


IDENTITY = pose(0, 0, 0, 0, 0, 0, 1, 1, 1)


def test_camera_loss_of_a_hand_case():
    # One translation number is off by 0.3: |0.3| - beta / 2, over three numbers.
    off = pose(0.3, 0, 0, 0, 0, 0, 1, 1, 1)
    losses = camera_loss(off[None], IDENTITY, beta=0.1)
    assert float(losses["camera_translation"]) == pytest.approx((0.3 - 0.05) / 3)
    assert float(losses["camera_rotation"]) == 0
    assert float(losses["camera"]) == pytest.approx((0.3 - 0.05) / 3)


def test_later_camera_iterations_count_more():
    off = pose(0, 0, 0, 0, 0, 0, 1, 2, 1)
    early = camera_loss(torch.stack([off, IDENTITY]), IDENTITY, discount=0.6)["camera"]
    late = camera_loss(torch.stack([IDENTITY, off]), IDENTITY, discount=0.6)["camera"]
    assert float(early / late) == pytest.approx(0.6)


def test_near_a_half_turn_either_sign_of_the_quaternion_is_right():
    target = pose(0, 0, 0, 1, 0, 0, 0, 1, 1)
    predicted = pose(0, 0, 0, -1, 0, 0, 0, 1, 1)
    assert float(camera_loss(predicted[None], target)["camera"]) == 0


def test_elsewhere_the_sign_of_the_quaternion_is_fixed():
    assert (
        float(
            camera_loss((IDENTITY * torch.tensor([1.0] * 6 + [-1, 1, 1]))[None], IDENTITY)["camera"]
        )
        > 0
    )


def test_dense_loss_of_a_hand_case():
    # Off by 0.5 everywhere: no gradient error; confidence 2 doubles the error and earns log 2.
    target = torch.ones(1, 1, 4, 4, 1)
    conf = torch.full((1, 1, 4, 4), 2.0)
    valid = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    losses = dense_loss("depth", target + 0.5, conf, target, valid, alpha=0.2)
    assert float(losses["depth"]) == pytest.approx(2 * 0.5 - 0.2 * math.log(2))
    assert float(losses["depth_error"]) == pytest.approx(0.5)
    assert float(losses["depth_gradient"]) == 0


def test_dense_gradient_of_a_ramp():
    # The residual rises by 0.1 a column and 0 a row: 0.1 at step 1.
    target = torch.zeros(1, 1, 4, 4, 1)
    ramp = 0.1 * torch.arange(4.0).expand(1, 1, 4, 4)[..., None]
    ones = torch.ones(1, 1, 4, 4)
    losses = dense_loss("depth", ramp, ones, target, ones.bool(), gradient_scales=1)
    assert float(losses["depth_gradient"]) == pytest.approx(0.1)


def test_dense_error_of_points_is_a_distance():
    target = torch.zeros(1, 1, 2, 2, 3)
    ones = torch.ones(1, 1, 2, 2)
    predicted = target + torch.tensor([3.0, 4.0, 0.0])
    assert float(dense_loss("points", predicted, ones, target, ones.bool())["points_error"]) == 5


def test_invalid_pixels_do_not_count_whatever_they_hold():
    target = torch.ones(1, 1, 4, 4, 1)
    predicted = (target + 0.25).requires_grad_()
    valid = torch.rand(1, 1, 4, 4) > 0.5
    valid[0, 0, 0, 0] = True
    target = torch.where(valid[..., None], target, 1e6)
    losses = dense_loss("depth", predicted, torch.ones(1, 1, 4, 4), target, valid)
    assert float(losses["depth_error"].detach()) == pytest.approx(0.25)
    losses["depth"].backward()
    assert (predicted.grad[..., 0][~valid] == 0).all()


def test_nothing_valid_gives_zero_and_finite_gradients():
    predicted = torch.ones(1, 2, 4, 4, 3, requires_grad=True)
    conf = torch.ones(1, 2, 4, 4, requires_grad=True)
    nothing = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    loss = dense_loss("points", predicted, conf, torch.zeros_like(predicted), nothing)["points"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert predicted.grad.isfinite().all()


def test_perfect_dense_predictions_have_finite_gradients():
    target = torch.ones(1, 1, 4, 4, 3)
    predicted = target.clone().requires_grad_()
    ones = torch.ones(1, 1, 4, 4)
    dense_loss("points", predicted, ones, target, ones.bool())["points"].backward()
    assert predicted.grad.isfinite().all()


def test_a_scenes_own_unit_costs_little_and_its_shape_all():
    depth = torch.rand(2, 1, 4, 4) + 0.5
    ones = torch.ones(2, 1, 4, 4)
    factor = torch.tensor([3.0, 0.5])[:, None, None, None]
    losses = log_depth_loss(factor * depth, ones, depth, ones.bool(), scale_weight=0.1)
    scale = (math.log(3) + math.log(2)) / 2
    assert float(losses["depth_error"]) == pytest.approx(0, abs=1e-6)
    assert float(losses["depth_scale"]) == pytest.approx(scale)
    assert float(losses["depth"]) == pytest.approx(0.1 * scale, abs=1e-5)
    # Half the view twice as far: half of log 2 off on either side, and one step between them.
    bent = torch.where(torch.arange(4) < 2, depth, 2 * depth)
    losses = log_depth_loss(bent, ones, depth, ones.bool(), gradient_scales=1)
    assert float(losses["depth_error"]) == pytest.approx(math.log(2) / 2)
    assert float(losses["depth_gradient"]) == pytest.approx(math.log(2) / 3)


def test_log_depth_is_finite_where_nothing_is_valid_and_blind_to_what_is_not():
    predicted = torch.ones(1, 2, 4, 4, requires_grad=True)
    ones, nothing = torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    loss = log_depth_loss(predicted, ones, torch.zeros(1, 2, 4, 4), nothing)["depth"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert (predicted.grad == 0).all()
    valid = torch.rand(1, 2, 4, 4) > 0.5
    predicted.grad = None
    truth = torch.where(valid, 2.0, -1.0)
    losses = log_depth_loss(predicted, ones, truth, valid)
    losses["depth"].backward()
    assert float(losses["depth_error"]) == pytest.approx(0, abs=1e-6)
    assert (predicted.grad[~valid] == 0).all()


def test_track_loss_of_a_hand_case():
    tracks = torch.zeros(1, 2, 3, 2)
    predicted = tracks.clone()
    predicted[0, 1] = torch.tensor([3.0, 4.0])
    seen = torch.ones(1, 2, 3, dtype=torch.bool)
    half = torch.full((1, 2, 3), 0.5)
    losses = track_loss(predicted[None], half, half, tracks, seen, (50, 100))
    # (3 + 4) / 100 in the second view only, and two cross-entropies of log 2.
    assert float(losses["track"]) == pytest.approx(0.07 + 2 * math.log(2))
    assert float(losses["track_px"]) == pytest.approx(7)


def test_hidden_points_do_not_pull_tracks():
    predicted = torch.zeros(1, 1, 2, 4, 2, requires_grad=True)
    half = torch.full((1, 2, 4), 0.5)
    hidden = torch.zeros(1, 2, 4, dtype=torch.bool)
    losses = track_loss(predicted, half, half, torch.full((1, 2, 4, 2), 40.0), hidden, (64, 64))
    losses["track"].backward()
    assert (predicted.grad == 0).all()


def test_matching_is_certain_for_distinct_descriptors_and_a_guess_for_equal_ones():
    seen = torch.ones(2, 3, 16, dtype=torch.bool)
    distinct = torch.eye(16).expand(2, 3, 16, 16)
    losses = matching_loss(distinct, seen)
    assert float(losses["matching"]) < 1e-4
    assert float(losses["matching_top1"]) == 1
    equal = torch.ones(2, 3, 16, 16)
    assert float(matching_loss(equal, seen)["matching"]) == pytest.approx(math.log(16), rel=1e-4)


def test_matching_ignores_points_that_a_view_does_not_see():
    descriptors = torch.randn(1, 2, 8, 4)
    seen = torch.ones(1, 2, 8, dtype=torch.bool)
    seen[0, 1, 4:] = False
    fewer = matching_loss(descriptors[:, :, :4], seen[:, :, :4])["matching"]
    assert float(matching_loss(descriptors, seen)["matching"]) == pytest.approx(float(fewer))


def test_matching_without_visible_points_is_zero_with_finite_gradients():
    descriptors = torch.randn(1, 2, 8, 4, requires_grad=True)
    loss = matching_loss(descriptors, torch.zeros(1, 2, 8, dtype=torch.bool))["matching"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert descriptors.grad.isfinite().all()


def test_weights_must_be_sensible():
    with pytest.raises(ConfigError, match=">= 0"):
        LossWeights(camera=-1.0)
    with pytest.raises(ConfigError, match="one of them > 0"):
        LossWeights(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert LossWeights(points=0.0).active == ("camera", "depth", "track", "matching")
