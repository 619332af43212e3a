"""Candidate poses of two views against scenes whose true poses are known."""

import math

import pytest
import torch

from glance3d.geometry.rotations import rotation_angle, rotation_from_quat_xyzw
from glance3d.models.heads.two_view_features import (
    FOCAL_LENGTHS_HD,
    NUM_PAIR_FEATURES,
    TwoViewFeatures,
    pose_candidates,
    two_view_features,
)
from glance3d.multiview.options import EightPointOptions

NUMBER = 120
FOCAL = 2  # which of the candidates the scenes are made with


def so3(*angles: float) -> torch.Tensor:
    x, y, z = angles
    skew = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return torch.linalg.matrix_exp(skew)


def two_views(
    rotation: torch.Tensor, translation: torch.Tensor, noise: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Places of random points of a deep scene in both views, in half diagonals."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(NUMBER, 3, generator=generator) * torch.tensor([4.0, 4.0, 5.0])
    points = points + torch.tensor([-2.0, -2.0, 3.0])
    moved = points @ rotation.T + translation
    focal = FOCAL_LENGTHS_HD[FOCAL]
    first, second = (focal * p[:, :2] / p[:, 2:] for p in (points, moved))
    return first, second + noise * torch.randn(NUMBER, 2, generator=generator)


ROTATION, TRANSLATION = so3(0.1, -0.3, 0.05), torch.tensor([0.8, 0.1, 0.2])


def features_of(
    first_hd: torch.Tensor, second_hd: torch.Tensor, weight: torch.Tensor
) -> TwoViewFeatures:
    return two_view_features(first_hd, second_hd, weight, EightPointOptions())


def errors_deg(features: torch.Tensor) -> tuple[float, float]:
    """Of the candidate made with the scene's focal length."""
    quats, directions = pose_candidates(features)
    angle = rotation_angle(rotation_from_quat_xyzw(quats[FOCAL]), ROTATION)
    cosine = torch.nn.functional.cosine_similarity(directions[FOCAL], TRANSLATION, dim=0)
    return math.degrees(angle), math.degrees(math.acos(min(1.0, float(cosine))))


def test_exact_matches_give_the_exact_pose() -> None:
    first, second = two_views(ROTATION, TRANSLATION)
    features = features_of(first, second, torch.ones(NUMBER))
    assert features.pairs.shape == (NUM_PAIR_FEATURES,)
    rotation, direction = errors_deg(features.pairs)
    assert rotation < 0.2
    assert direction < 1
    assert features.inlier_weight.min() > 0.99


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_direction_has_the_sign_that_puts_points_in_front(sign: float) -> None:
    first, second = two_views(torch.eye(3), sign * torch.tensor([0.7, 0.0, 0.0]))
    features = features_of(first, second, torch.ones(NUMBER))
    assert sign * pose_candidates(features.pairs)[1][FOCAL, 0] > 0.99


def test_wrong_matches_are_weighed_down() -> None:
    first, second = two_views(ROTATION, TRANSLATION, noise=0.003)
    second[::10] = torch.rand(12, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    wrong = torch.zeros(NUMBER, dtype=torch.bool)
    wrong[::10] = True
    features = features_of(first, second, torch.where(wrong, 0.3, 1.0))
    rotation, direction = errors_deg(features.pairs)
    assert rotation < 2
    assert direction < 10
    assert features.inlier_weight[wrong].median() < 0.3 * features.inlier_weight[~wrong].median()


def test_weights_of_zero_leave_matches_out() -> None:
    first, second = two_views(ROTATION, TRANSLATION)
    weight = torch.ones(NUMBER)
    weight[:60], second[:60] = 0.0, 0.3
    assert max(errors_deg(features_of(first, second, weight).pairs)) < 1.5


def test_a_pure_rotation_is_found_by_rotation_alone() -> None:
    first, second = two_views(ROTATION, torch.zeros(3))
    quats, _ = pose_candidates(features_of(first, second, torch.ones(NUMBER)).pairs)
    angle = rotation_angle(rotation_from_quat_xyzw(quats[len(FOCAL_LENGTHS_HD) + FOCAL]), ROTATION)
    assert math.degrees(angle) < 0.1


@pytest.mark.parametrize("places", ["one place", "a line", "no weight"])
def test_what_is_degenerate_stays_finite(places: str) -> None:
    first, second = two_views(ROTATION, TRANSLATION)
    weight = torch.zeros(NUMBER) if places == "no weight" else torch.ones(NUMBER)
    if places == "one place":
        first, second = torch.zeros_like(first), torch.zeros_like(second)
    elif places == "a line":
        first = second = first * torch.tensor([1.0, 0.0])
    features = features_of(first, second, weight)
    assert features.pairs.isfinite().all()
    assert features.inlier_weight.isfinite().all()


def test_pairs_do_not_meet() -> None:
    first, second = two_views(ROTATION, TRANSLATION)
    weights = torch.stack([torch.ones(NUMBER), torch.linspace(0, 1, NUMBER)])
    both = features_of(first.expand(2, -1, -1), second.expand(2, -1, -1), weights)
    alone = features_of(first, second, weights[1])
    torch.testing.assert_close(both.inlier_weight[1], alone.inlier_weight, rtol=1e-3, atol=1e-4)
