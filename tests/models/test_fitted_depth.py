"""Depth bent to matches."""

import math

import pytest
import torch

from glance3d.models.correspondence.fitted_depth import fit_depth_to_matches
from glance3d.models.correspondence.matches import half_diagonal
from glance3d.models.correspondence.pair_poses import PairMatches
from glance3d.models.correspondence.triangulation import sample_at_places
from tests.models.matched_scene import (
    FOCAL,
    SIZE,
    MatchedScene,
    matched_scene,
    pose_encodings,
    scene_of,
)

NORMAL, OFFSET = torch.tensor([0.2, -0.3, 1.0]), 6.0


def wall() -> tuple[MatchedScene, torch.Tensor]:
    """A slanted plane seen by six cameras, and its depth in all of them."""
    cameras = matched_scene().cameras
    across = 6 * torch.rand(400, 2, generator=torch.Generator().manual_seed(2)) - 3
    away = (OFFSET - across @ NORMAL[:2]) / NORMAL[2]
    scene = scene_of(cameras, torch.cat([across, away[:, None]], 1))
    x, y = _places()
    rays = torch.stack([x / FOCAL, y / FOCAL, torch.ones_like(x)], -1)
    rotation, translation = cameras[..., :3], cameras[..., 3]
    centers = -(rotation.mT @ translation[..., None])[..., 0]
    slope = torch.einsum("hwk,vkj,j->vhw", rays, rotation, NORMAL)
    return scene, ((OFFSET - centers @ NORMAL)[:, None, None] / slope)[None]


def _places() -> tuple[torch.Tensor, torch.Tensor]:
    """x and y of all pixels, in half diagonals about the centre."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    half = half_diagonal(SIZE)
    return (x + 0.5 - SIZE[1] / 2) / half, (y + 0.5 - SIZE[0] / 2) / half


def in_view(pairs: PairMatches) -> PairMatches:
    """Matches outside either picture say nothing."""
    edge = torch.tensor([SIZE[1], SIZE[0]]) / 2 / half_diagonal(SIZE)
    inside = (pairs.own.abs() < edge).all(-1) & (pairs.other.abs() < edge).all(-1)
    return pairs._replace(weight=inside / inside.sum(-1, keepdim=True).clamp(min=1))


def off(depth: torch.Tensor, true: torch.Tensor, pairs: PairMatches) -> float:
    """Mean error of the logarithm where there are matches, in the pairs' first views."""
    error = (depth / true).log().abs()
    there = sample_at_places(pairs.of_first(error), pairs.own, SIZE)
    return float((pairs.weight * there).sum() / pairs.weight.sum())


def test_what_bends_depth_smoothly_is_undone() -> None:
    scene, true = wall()
    x, y = _places()
    bent = true * torch.exp(0.3 * x - 0.2 * torch.sin(3 * y))
    pairs, poses = in_view(scene.matches()), pose_encodings(scene, 1.0)
    fitted = fit_depth_to_matches(pairs, poses, bent)
    assert off(fitted, true, pairs) < 0.25 * off(bent, true, pairs)
    # What was right stays so, and a few wrong matches do no harm.
    same = fit_depth_to_matches(pairs, poses, true)
    assert off(same, true, pairs) < 0.005
    noisy = in_view(scene.matches(noise=0.003, wrong=0.2))
    fitted = fit_depth_to_matches(noisy, poses, bent)
    assert off(fitted, true, pairs) < 0.4 * off(bent, true, pairs)


def test_a_view_is_bent_by_its_own_matches_only() -> None:
    scene, true = wall()
    pairs = in_view(scene.matches())
    only = ((pairs.first == 0) & (pairs.second == 1))[..., None]
    only = pairs._replace(weight=torch.where(only, pairs.weight, 0.0))
    farther = 1.2 * true
    fitted = fit_depth_to_matches(only, pose_encodings(scene, 1.0), farther)
    assert torch.equal(fitted[:, 2:], farther[:, 2:])
    for side in (only, only.turned_round()):
        assert off(fitted, true, side) < 0.2 * math.log(1.2)


def test_cameras_that_contradict_their_matches_change_little() -> None:
    scene, true = wall()
    wrong = in_view(scene.matches(wrong=1.0))
    fitted = fit_depth_to_matches(wrong, pose_encodings(scene, 1.0), true)
    assert float((fitted / true).log().abs().max()) < 0.05
    nothing = wrong._replace(weight=torch.zeros_like(wrong.weight))
    same = fit_depth_to_matches(nothing, pose_encodings(scene, 1.0), true)
    assert torch.equal(same, true)


@pytest.mark.parametrize("size", [(96, 128), (32, 160)])
def test_scenes_of_a_batch_are_their_own(size: tuple[int, int]) -> None:
    scene, _ = wall()
    pairs, poses = scene.matches(noise=0.01), pose_encodings(scene, 1.0)
    depth = torch.rand(2, 6, *size, generator=torch.Generator().manual_seed(1)) + 4
    both = PairMatches(*(part.expand(2, *part.shape[1:]) for part in pairs))
    together = fit_depth_to_matches(both, poses.expand(2, -1, -1), depth)
    alone = fit_depth_to_matches(pairs, poses, depth[1:])
    torch.testing.assert_close(together[1:], alone)
    assert (together > 0).all()
