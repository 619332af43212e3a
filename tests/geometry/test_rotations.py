"""Quaternions of rotations, against roma."""

import math

import pytest
import roma
import torch

from glance3d.geometry.rotations import quat_xyzw_from_rotation


@pytest.fixture(params=[torch.float32, torch.float64])
def rotations(request: pytest.FixtureRequest) -> torch.Tensor:
    """Random ones, and turns by nothing and by half about axes and diagonals."""
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(500, 3, generator=generator, dtype=torch.float64)
    axes = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1], [-1, 2, 0]])
    axes = axes.double() / axes.norm(dim=-1, keepdim=True)
    vectors = [random, 0 * axes, math.pi * axes, (math.pi - 1e-7) * axes, 1e-8 * axes]
    return roma.rotvec_to_rotmat(torch.cat(vectors)).to(request.param)


def test_quaternions_are_romas(rotations: torch.Tensor) -> None:
    expected = roma.rotmat_to_unitquat(rotations)
    assert torch.equal(quat_xyzw_from_rotation(rotations), expected)
    shaped = rotations[:12].view(3, 4, 3, 3)
    assert torch.equal(quat_xyzw_from_rotation(shaped), expected[:12].view(3, 4, 4))


def test_there_and_back(rotations: torch.Tensor) -> None:
    back = roma.unitquat_to_rotmat(quat_xyzw_from_rotation(rotations))
    torch.testing.assert_close(back, rotations, atol=8 * torch.finfo(rotations.dtype).eps, rtol=0)


def test_gradients_are_finite(rotations: torch.Tensor) -> None:
    rotations.requires_grad_()
    quat_xyzw_from_rotation(rotations).sum().backward()
    assert rotations.grad is not None
    assert rotations.grad.isfinite().all()
