"""Relative poses moved to where matches fit best."""

import torch

from glance3d.geometry.transforms import rotation_angle, rotation_from_quat_xyzw
from glance3d.models.correspondence.polishing import polish_poses
from glance3d.models.correspondence.two_view import quaternion

FOCAL = 1.2


def pairs(num: int = 6, noise: float = 0.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """True pose encodings ``[num, 9]`` and the places of 150 points in both views."""
    generator = torch.Generator().manual_seed(1)
    quats = torch.randn(num, 4, generator=generator) * 0.1 + torch.tensor([0.0, 0, 0, 1])
    rotation = rotation_from_quat_xyzw(torch.nn.functional.normalize(quats, dim=-1))
    direction = torch.nn.functional.normalize(torch.randn(num, 3, generator=generator), dim=-1)
    points = torch.rand(num, 150, 3, generator=generator) * torch.tensor([4.0, 4, 4])
    points = points + torch.tensor([-2.0, -2, 4])
    other = points @ rotation.mT + 0.6 * direction[:, None]
    own, seen = (FOCAL * p[..., :2] / p[..., 2:] for p in (points, other))
    seen = seen + noise * torch.randn(seen.shape, generator=generator)
    return torch.cat([direction, quaternion(rotation), torch.ones(num, 2)], -1), own, seen


def disturbed(pose: torch.Tensor, size: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    noise = size * torch.randn(pose.shape, generator=generator)
    return torch.cat([(pose + noise)[..., :7], pose[..., 7:]], -1)


def errors(found: torch.Tensor, true: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of rotation and direction, in degrees."""
    turned = rotation_angle(*(rotation_from_quat_xyzw(p[..., 3:7]) for p in (found, true)))
    cosine = torch.cosine_similarity(found[..., :3], true[..., :3], dim=-1).clamp(-1, 1)
    return turned.rad2deg(), cosine.acos().rad2deg()


def polished(pose: torch.Tensor, own: torch.Tensor, other: torch.Tensor, weight=None):
    weight = torch.ones(own.shape[:-1]) if weight is None else weight
    return polish_poses(pose, own, other, weight, torch.full(pose.shape[:-1], FOCAL))


def test_exact_matches_give_the_exact_pose() -> None:
    true, own, other = pairs()
    rotation, direction = errors(polished(disturbed(true, 0.05), own, other), true)
    assert rotation.max() < 0.1
    assert direction.max() < 0.5


def test_some_wrong_matches_that_are_half_known_do_little_harm() -> None:
    true, own, other = pairs(noise=0.002)
    other[:, ::4] = (
        torch.rand(other[:, ::4].shape, generator=torch.Generator().manual_seed(4)) - 0.5
    )
    start = disturbed(true, 0.04)
    weight = torch.ones(own.shape[:-1])
    weight[:, ::4] = 0.2
    found = errors(polished(start, own, other, weight), true)
    assert found[0].median() < 1
    assert found[1].median() < 6
    assert found[0].median() < errors(start, true)[0].median() / 2


def test_what_says_nothing_leaves_the_pose_as_it_is() -> None:
    true, own, other = pairs()
    start = disturbed(true, 0.05)
    start[..., :3] = torch.nn.functional.normalize(start[..., :3], dim=-1)
    start[..., 3:7] = torch.nn.functional.normalize(start[..., 3:7], dim=-1)
    found = polished(start, own, other, torch.zeros(own.shape[:-1]))
    torch.testing.assert_close(found, start, rtol=1e-4, atol=1e-5)
    assert polished(torch.zeros_like(true), own, other).isfinite().all()
