"""Closed forms and squarings against LAPACK's factorisations."""

import torch

from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.geometry.sync_free_linalg import (
    decompose_essential,
    least_eigenvector,
    orthonormalise,
    top_eigenvector,
    wahba_rotation,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_rotations(count: int) -> torch.Tensor:
    skew = random(count, 3, 3)
    return torch.linalg.matrix_exp(skew - skew.mT)


def test_top_and_least_eigenvectors() -> None:
    data = random(6, 9, 30).double()
    matrix = data @ data.mT
    values, vectors = torch.linalg.eigh(matrix)
    top = top_eigenvector(matrix)
    least, log_spread = least_eigenvector(matrix)
    ones = torch.ones(6, dtype=torch.float64)
    torch.testing.assert_close((top * vectors[..., -1]).sum(-1).abs(), ones, rtol=0, atol=1e-6)
    torch.testing.assert_close((least * vectors[..., 0]).sum(-1).abs(), ones, rtol=0, atol=1e-6)
    torch.testing.assert_close(log_spread[:, 0], values[:, 0], rtol=1e-5, atol=0)
    torch.testing.assert_close(log_spread[:, 1], 1 / (1 / values[:, 1:]).sum(-1), rtol=1e-4, atol=0)


def test_essential_matrices_give_back_their_pose() -> None:
    rotation = random_rotations(8)
    direction = torch.nn.functional.normalize(random(8, 3, seed=1), dim=-1)
    columns = torch.linalg.cross(direction[:, None].expand(8, 3, 3), rotation.mT)
    rotations, along, uneven = decompose_essential(-3 * columns.mT)
    nearest = (rotations - rotation[:, None]).abs().amax((-1, -2)).amin(-1)
    assert nearest.max() < 1e-5
    torch.testing.assert_close((along * direction).sum(-1).abs(), torch.ones(8))
    assert uneven.max() < 1e-2


def test_what_is_no_essential_matrix_gives_rotations_and_says_so() -> None:
    matrix = torch.diag(torch.tensor([3.0, 1.0, 0.0]))
    rotations, _, uneven = decompose_essential(matrix)
    torch.testing.assert_close(float(uneven), 0.5, rtol=0, atol=1e-3)
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(2))


def test_the_rotation_that_turns_rays_into_rays() -> None:
    rotation = random_rotations(5)
    rays = torch.nn.functional.normalize(0.3 * random(5, 40, 3) + torch.eye(3)[2], dim=-1)
    turned = rays @ rotation.mT
    quats = wahba_rotation(turned.mT @ rays / 40)
    torch.testing.assert_close(rotation_from_quat_xyzw(quats), rotation, rtol=0, atol=2e-4)


def test_the_nearest_rotation() -> None:
    rotation = random_rotations(5)
    near = rotation + 0.05 * random(5, 3, 3, seed=2)
    u, _, vt = torch.linalg.svd(near)
    torch.testing.assert_close(orthonormalise(near), u @ vt, rtol=0, atol=1e-5)


def test_matrices_of_zeros_stay_finite() -> None:
    zero = torch.zeros(2, 3, 3)
    assert all(part.isfinite().all() for part in decompose_essential(zero))
    assert all(part.isfinite().all() for part in least_eigenvector(torch.zeros(9, 9).double()))
    assert wahba_rotation(zero).isfinite().all()
