"""Rotations as quaternions and axis-angle vectors, and nearest ones, against roma."""

import importlib
import math
from types import ModuleType

import pytest
import torch

from glance3d.geometry.rotations import (
    kabsch,
    nearest_rotation,
    positive_quat_xyzw_from_rotation,
    quat_xyzw_from_rotation,
    rotation_from_quat_xyzw,
    so3_exp,
)


@pytest.fixture(scope="module")
def roma() -> ModuleType:
    """Imported here alone, since it brings PyTorch's compiler: seconds for every worker."""
    return importlib.import_module("roma")


@pytest.fixture(params=[torch.float32, torch.float64])
def rotations(request: pytest.FixtureRequest, roma: ModuleType) -> torch.Tensor:
    """Random ones, and turns by nothing and by half about axes and diagonals."""
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(500, 3, generator=generator, dtype=torch.float64)
    axes = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1], [-1, 2, 0]])
    axes = axes.double() / axes.norm(dim=-1, keepdim=True)
    vectors = [random, 0 * axes, math.pi * axes, (math.pi - 1e-7) * axes, 1e-8 * axes]
    return roma.rotvec_to_rotmat(torch.cat(vectors)).to(request.param)


def test_quaternions_are_romas(rotations: torch.Tensor, roma: ModuleType) -> None:
    expected = roma.rotmat_to_unitquat(rotations)
    assert torch.equal(quat_xyzw_from_rotation(rotations), expected)
    shaped = rotations[:12].view(3, 4, 3, 3)
    assert torch.equal(quat_xyzw_from_rotation(shaped), expected[:12].view(3, 4, 4))


def test_quaternions_give_back_their_rotation(rotations: torch.Tensor, roma: ModuleType) -> None:
    again = roma.unitquat_to_rotmat(quat_xyzw_from_rotation(rotations))
    torch.testing.assert_close(again, rotations, atol=8 * torch.finfo(rotations.dtype).eps, rtol=0)


def test_quaternions_of_any_length_match_roma(roma: ModuleType) -> None:
    quat = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    expected = roma.unitquat_to_rotmat(quat / quat.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(rotation_from_quat_xyzw(quat), expected, atol=1e-5, rtol=0)


def test_gradients_are_finite(rotations: torch.Tensor) -> None:
    rotations.requires_grad_()
    quat_xyzw_from_rotation(rotations).sum().backward()
    assert rotations.grad is not None
    assert rotations.grad.isfinite().all()


def test_positive_quaternions_are_the_same_up_to_sign(rotations: torch.Tensor) -> None:
    positive = positive_quat_xyzw_from_rotation(rotations)
    assert (positive[:, 3] >= 0).all()
    cosine = (positive * quat_xyzw_from_rotation(rotations)).sum(-1).abs()
    torch.testing.assert_close(cosine, torch.ones_like(cosine), rtol=0, atol=1e-6)


def test_the_exponential_map_is_romas(roma: ModuleType) -> None:
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    vectors = torch.cat([vectors, 1e-9 * vectors, 0 * vectors[:1]])
    expected = roma.rotvec_to_rotmat(vectors)
    torch.testing.assert_close(so3_exp(vectors), expected, rtol=0, atol=1e-12)


def test_the_nearest_rotation_is_romas_special_procrustes(roma: ModuleType) -> None:
    matrices = torch.randn(50, 3, 3, generator=torch.Generator().manual_seed(2)).double()
    nearest = nearest_rotation(matrices)
    torch.testing.assert_close(nearest, roma.special_procrustes(matrices), rtol=0, atol=1e-9)
    trace = (nearest * matrices).sum((-1, -2))
    torch.testing.assert_close(kabsch(matrices)[1].sum(-1), trace)
