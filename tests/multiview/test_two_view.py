"""Epipolar geometry of two views against what is known, and against small steps."""

import pytest
import torch
import torch.nn.functional as F

from glance3d.geometry.rotations import so3_exp
from glance3d.multiview.two_view import (
    RayMatches,
    cheirality,
    essential_matrix,
    jacobian,
    possible_cheirality,
    residuals,
    retract_direction,
    sampson_distance,
    tangent_basis,
    triangulate_rays,
)

ROTATION = so3_exp(torch.tensor([0.1, -0.3, 0.05], dtype=torch.float64))
DIRECTION = F.normalize(torch.tensor([0.8, 0.1, 0.2], dtype=torch.float64), dim=-1)


def matches(noise: float = 0.0, number: int = 20) -> tuple[RayMatches, torch.Tensor]:
    """Rays in both views, and depths in the first one; the translation has length one."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(number, 3, generator=generator, dtype=torch.float64) * 4
    points = points + torch.tensor([-2.0, -2, 3])
    moved = points @ ROTATION.T + DIRECTION
    x, y = points / points[:, 2:], moved / moved[:, 2:]
    y[:, :2] += noise * torch.randn(number, 2, generator=generator)
    weight, focal_hd = torch.full((number,), 1 / number), torch.tensor(1.2)
    return RayMatches(x, y, weight.double(), focal_hd.double()), points[:, 2]


def test_the_sampson_distance_is_a_distance_to_the_line() -> None:
    sideways = torch.tensor([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # lines are rows: y stays
    x, y = torch.tensor([[0.1, 0.2, 1.0]]), torch.tensor([[0.5, 0.2 + 0.02, 1.0]])
    assert float(sampson_distance(sideways, x, y)) == pytest.approx(0.02**2 / 2, rel=1e-3)


def test_exact_matches_have_no_residuals() -> None:
    exact, _ = matches()
    assert residuals(ROTATION, DIRECTION, exact).distance_hd.abs().max() < 1e-12
    essential = essential_matrix(ROTATION, DIRECTION)
    assert (exact.y @ essential * exact.x).sum(-1).abs().max() < 1e-12


def test_the_jacobian_is_that_of_small_steps() -> None:
    noisy, _ = matches(noise=1e-4)
    at = residuals(ROTATION, DIRECTION, noisy)
    derivative = jacobian(ROTATION, DIRECTION, noisy, at)
    for index, step in enumerate(1e-6 * torch.eye(5, dtype=torch.float64)):
        rotation = ROTATION @ so3_exp(step[:3])
        direction = retract_direction(DIRECTION, step[3:])
        change = residuals(rotation, direction, noisy).distance_hd - at.distance_hd
        torch.testing.assert_close(change / 1e-6, derivative[:, index], rtol=1e-2, atol=2e-3)


def test_tangents_are_at_right_angles() -> None:
    frame = torch.cat([DIRECTION[:, None], tangent_basis(DIRECTION)], 1)
    torch.testing.assert_close(frame.T @ frame, torch.eye(3, dtype=torch.float64))


def test_rays_meet_at_their_depths_in_front_of_both_cameras() -> None:
    exact, depth = matches()
    intersection = triangulate_rays(ROTATION, DIRECTION, exact.x, exact.y)
    torch.testing.assert_close(intersection.depth / intersection.steepness, depth)
    ahead, behind = cheirality(intersection)
    assert ahead.all()
    assert not behind.any()
    opposite = triangulate_rays(ROTATION, -DIRECTION, exact.x, exact.y)
    assert cheirality(opposite)[1].all()


def test_without_parallax_a_match_may_lie_on_either_side() -> None:
    exact, _ = matches()
    still = triangulate_rays(ROTATION, DIRECTION, exact.x, exact.x @ ROTATION.T)
    assert all(side.all() for side in possible_cheirality(still))
