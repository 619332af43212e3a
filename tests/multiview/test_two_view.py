"""Candidate poses of two views against scenes whose true poses are known."""

import math

import pytest
import torch

from glance3d.geometry.rotations import rotation_angle, rotation_from_quat_xyzw
from glance3d.multiview.two_view import (
    FOCAL_LENGTHS,
    NUM_PAIR_FEATURES,
    candidates,
    quaternion,
    sampson_distance,
    two_view_geometry,
)

NUMBER = 120
FOCAL = 2  # which of the candidates the scenes are made with


def turn(*angles: float) -> torch.Tensor:
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
    focal = FOCAL_LENGTHS[FOCAL]
    own, other = (focal * p[:, :2] / p[:, 2:] for p in (points, moved))
    return own, other + noise * torch.randn(NUMBER, 2, generator=generator)


ROTATION, TRANSLATION = turn(0.1, -0.3, 0.05), torch.tensor([0.8, 0.1, 0.2])


def errors_deg(features: torch.Tensor) -> tuple[float, float]:
    """Of the candidate made with the scene's focal length."""
    quats, directions = candidates(features)
    angle = rotation_angle(rotation_from_quat_xyzw(quats[FOCAL]), ROTATION)
    cosine = torch.nn.functional.cosine_similarity(directions[FOCAL], TRANSLATION, dim=0)
    return math.degrees(angle), math.degrees(math.acos(min(1.0, float(cosine))))


def test_exact_matches_give_the_exact_pose() -> None:
    own, other = two_views(ROTATION, TRANSLATION)
    found = two_view_geometry(own, other, torch.ones(NUMBER))
    assert found.pairs.shape == (NUM_PAIR_FEATURES,)
    rotation, direction = errors_deg(found.pairs)
    assert rotation < 0.2
    assert direction < 1
    assert found.fit.min() > 0.99


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_direction_has_the_sign_that_puts_points_in_front(sign: float) -> None:
    own, other = two_views(torch.eye(3), sign * torch.tensor([0.7, 0.0, 0.0]))
    found = two_view_geometry(own, other, torch.ones(NUMBER))
    assert sign * candidates(found.pairs)[1][FOCAL, 0] > 0.99


def test_wrong_matches_are_weighed_down() -> None:
    own, other = two_views(ROTATION, TRANSLATION, noise=0.003)
    other[::10] = torch.rand(12, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    wrong = torch.zeros(NUMBER, dtype=torch.bool)
    wrong[::10] = True
    found = two_view_geometry(own, other, torch.where(wrong, 0.3, 1.0))
    rotation, direction = errors_deg(found.pairs)
    assert rotation < 2
    assert direction < 10
    assert found.fit[wrong].median() < 0.3 * found.fit[~wrong].median()


def test_weights_of_zero_leave_matches_out() -> None:
    own, other = two_views(ROTATION, TRANSLATION)
    weight = torch.ones(NUMBER)
    weight[:60], other[:60] = 0.0, 0.3
    assert max(errors_deg(two_view_geometry(own, other, weight).pairs)) < 1.5


def test_a_pure_rotation_is_found_by_rotation_alone() -> None:
    own, other = two_views(ROTATION, torch.zeros(3))
    quats, _ = candidates(two_view_geometry(own, other, torch.ones(NUMBER)).pairs)
    angle = rotation_angle(rotation_from_quat_xyzw(quats[len(FOCAL_LENGTHS) + FOCAL]), ROTATION)
    assert math.degrees(angle) < 0.1


@pytest.mark.parametrize("places", ["one place", "a line", "no weight"])
def test_what_is_degenerate_stays_finite(places: str) -> None:
    own, other = two_views(ROTATION, TRANSLATION)
    weight = torch.zeros(NUMBER) if places == "no weight" else torch.ones(NUMBER)
    if places == "one place":
        own, other = torch.zeros_like(own), torch.zeros_like(other)
    elif places == "a line":
        own = other = own * torch.tensor([1.0, 0.0])
    found = two_view_geometry(own, other, weight)
    assert found.pairs.isfinite().all()
    assert found.fit.isfinite().all()


def test_pairs_do_not_meet() -> None:
    own, other = two_views(ROTATION, TRANSLATION)
    weights = torch.stack([torch.ones(NUMBER), torch.linspace(0, 1, NUMBER)])
    both = two_view_geometry(own.expand(2, -1, -1), other.expand(2, -1, -1), weights)
    alone = two_view_geometry(own, other, weights[1])
    torch.testing.assert_close(both.fit[1], alone.fit, rtol=1e-3, atol=1e-4)


def test_quaternions_of_all_rotations() -> None:
    generator = torch.Generator().manual_seed(0)
    given = torch.nn.functional.normalize(torch.randn(50, 4, generator=generator), dim=-1)
    given = torch.cat([given, torch.eye(4)])
    given = torch.where(given[:, 3:] < 0, -given, given)
    found = quaternion(rotation_from_quat_xyzw(given))
    torch.testing.assert_close((found * given).sum(-1).abs(), torch.ones(54), rtol=0, atol=1e-3)


def test_the_sampson_distance_is_a_distance_to_the_line() -> None:
    sideways = torch.tensor([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # lines are rows: y stays
    own = torch.tensor([[0.1, 0.2, 1.0]])
    other = torch.tensor([[0.5, 0.2 + 0.02, 1.0]])
    assert float(sampson_distance(sideways, own, other)) == pytest.approx(0.02**2 / 2, rel=1e-3)
