"""Poses of all views from those of all pairs."""

import pytest
import torch

from glance3d.geometry.pose_encoding import encode_pose
from glance3d.geometry.transforms import compose, invert, rotation_angle, rotation_from_quat_xyzw
from glance3d.models.correspondence.synchronisation import synchronise

SIZE = (96, 128)


@pytest.fixture
def cameras() -> torch.Tensor:
    """Seven cameras around a point, ``cam_from_world`` of the first one's frame."""
    generator = torch.Generator().manual_seed(3)
    quats = torch.randn(7, 4, generator=generator) * 0.2 + torch.tensor([0.0, 0, 0, 1])
    rotations = rotation_from_quat_xyzw(torch.nn.functional.normalize(quats, dim=-1))
    poses = torch.cat([rotations, torch.randn(7, 3, 1, generator=generator)], -1)
    return compose(poses, invert(poses[:1]).expand(7, -1, -1))


def pair_poses(cameras: torch.Tensor) -> torch.Tensor:
    """``[1, V, V, 9]``: every true relative pose, its translation of length one."""
    count = len(cameras)
    relative = compose(
        cameras[None].expand(count, -1, -1, -1), invert(cameras)[:, None].expand(-1, count, -1, -1)
    )
    length = relative[..., 3:].norm(dim=-2, keepdim=True).clamp(min=1e-9)
    unit = torch.cat([relative[..., :3], relative[..., 3:] / length], -1)
    intrinsics = torch.tensor([[100.0, 0, 64], [0, 100, 48], [0, 0, 1]])
    return encode_pose(unit, intrinsics.expand(count, count, 3, 3), *SIZE)[None]


def errors(found: torch.Tensor, cameras: torch.Tensor) -> tuple[float, float]:
    """Degrees: the largest error of a rotation, and of a position's direction from the first."""
    rotation = rotation_from_quat_xyzw(found[..., 3:7])
    centers = -(rotation.mT @ found[..., :3, None])[..., 0]
    true = -(cameras[:, :, :3].mT @ cameras[:, :, 3:])[..., 0]
    cosine = torch.cosine_similarity(centers[1:], true[1:], dim=-1).clamp(-1, 1)
    turned = rotation_angle(rotation, cameras[..., :3])
    return float(torch.rad2deg(turned.max())), float(torch.rad2deg(cosine.acos().max()))


def test_exact_pairs_give_exact_cameras(cameras: torch.Tensor) -> None:
    found = synchronise(pair_poses(cameras), torch.ones(1, 7, 7))[0]
    rotation, direction = errors(found, cameras)
    assert rotation < 0.05
    assert direction < 6  # lengths of at least one are a bias
    torch.testing.assert_close(found[0, :7], torch.tensor([0.0, 0, 0, 0, 0, 0, 1]))
    assert found[:, :3].norm(dim=-1).mean() == pytest.approx(0.3, rel=1e-4)


def test_a_chain_reaches_views_that_share_nothing_with_the_first(cameras: torch.Tensor) -> None:
    neighbours = torch.arange(7)
    trust = ((neighbours[:, None] - neighbours).abs() == 1).float()[None]
    pairs = pair_poses(cameras)
    pairs[trust == 0] = torch.tensor([1.0, 0, 0, 0, 0, 0, 1, 1, 1])  # nonsense, not trusted
    rotation, _ = errors(synchronise(pairs, trust)[0], cameras)
    assert rotation < 3


def test_pairs_that_agree_outvote_one_that_does_not(cameras: torch.Tensor) -> None:
    pairs = pair_poses(cameras)
    pairs[0, 0, 3] = torch.tensor([0.0, 0, 1, 0.7, 0, 0.7, 0.1, 1, 1])
    pairs = torch.cat([pairs, pair_poses(cameras)])  # scenes do not know of each other
    found = synchronise(pairs, torch.ones(2, 7, 7))
    assert errors(found[0], cameras)[0] < 25
    assert errors(found[1], cameras)[0] < 0.05


def test_nothing_known_is_finite() -> None:
    pairs = torch.zeros(2, 4, 4, 9)
    assert synchronise(pairs, torch.zeros(2, 4, 4)).isfinite().all()


def test_fields_of_view_are_the_trusted_ones_mean(cameras: torch.Tensor) -> None:
    pairs = pair_poses(cameras)
    pairs[..., 7:] = torch.rand(1, 7, 7, 2, generator=torch.Generator().manual_seed(0)) + 0.5
    trust = torch.zeros(1, 7, 7)
    trust[0, 2, 5] = 1.0
    found = synchronise(pairs, trust)[0]
    torch.testing.assert_close(found[2, 7:], pairs[0, 2, 5, 7:], atol=2e-3, rtol=0)
