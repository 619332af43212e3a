"""Depth swept to where the views agree."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.multiview.matches import Descriptors, ViewPairMatches, half_diagonal
from glance3d.multiview.plane_sweep import (
    choose_partners,
    sweep_depth_by_descriptors,
    sweep_descriptors,
)
from tests.multiview.matched_scene import (
    FOCAL,
    OPTIONS,
    SIZE,
    MatchedScene,
    matched_scene,
    pose_encodings,
    scene_of,
)

NORMAL, OFFSET, CELL = torch.tensor([0.2, -0.3, 1.0]), 6.0, 8
GRID = (SIZE[0] // CELL, SIZE[1] // CELL)


class Wall:
    """A slanted plane seen by five cameras, which know each place of it again."""

    def __init__(self) -> None:
        cameras = matched_scene(views=5, turns=0.04).cameras
        across = 6 * torch.rand(400, 2, generator=torch.Generator().manual_seed(2)) - 3
        away = (OFFSET - across @ NORMAL[:2]) / NORMAL[2]
        self.scene: MatchedScene = scene_of(cameras, torch.cat([across, away[:, None]], 1))
        self.depth, points = self._see(cameras)
        generator = torch.Generator().manual_seed(3)
        waves = 3.0 * torch.randn(3, 32, generator=generator)
        phases = points[:, :, CELL // 2 :: CELL, CELL // 2 :: CELL].flatten(2, 3) @ waves
        known_again = F.normalize(torch.cat([phases.sin(), phases.cos()], -1), dim=-1)
        self.described = Descriptors(known_again, GRID, torch.tensor(20.0), torch.tensor(12.0))
        self.poses = pose_encodings(self.scene, 1.0)

    def _see(self, cameras: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Depth and world points of all pixels."""
        y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
        half = half_diagonal(SIZE)
        x, y = (x + 0.5 - SIZE[1] / 2) / half / FOCAL, (y + 0.5 - SIZE[0] / 2) / half / FOCAL
        rays = torch.stack([x, y, torch.ones_like(x)], -1) @ cameras[:, None, :, :3]
        centers = -(cameras[..., :3].mT @ cameras[..., 3:])[..., 0]
        depth = (OFFSET - centers @ NORMAL)[:, None, None] / (rays @ NORMAL)
        return depth[None], (centers[:, None, None] + depth[..., None] * rays)[None]

    def pairs(self, wrong: float = 0.0) -> ViewPairMatches:
        """Matches outside either picture say nothing."""
        pairs = self.scene.matches(wrong=wrong)
        edge = torch.tensor([SIZE[1], SIZE[0]]) / 2 / half_diagonal(SIZE)
        inside = (pairs.first_hd.abs() < edge).all(-1) & (pairs.second_hd.abs() < edge).all(-1)
        return pairs._replace(weight=inside / inside.sum(-1, keepdim=True).clamp(min=1))


@pytest.fixture(scope="module")
def wall() -> Wall:
    return Wall()


def off(depth: torch.Tensor, true: torch.Tensor) -> float:
    """Mean error of the logarithm in the middle of the views, which others see."""
    return float((depth / true).log()[..., 24:72, 32:96].abs().mean())


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_a_wrong_guess_is_moved_to_where_views_agree(wall: Wall, factor: float) -> None:
    swept = sweep_depth_by_descriptors(
        wall.described, wall.pairs(), wall.poses, factor * wall.depth, OPTIONS
    )
    assert off(swept, wall.depth) < 0.2 * abs(math.log(factor))
    same = sweep_depth_by_descriptors(wall.described, wall.pairs(), wall.poses, wall.depth, OPTIONS)
    assert off(same, wall.depth) < 0.03


def test_where_nothing_is_told_nothing_moves(wall: Wall) -> None:
    guess = 1.5 * wall.depth
    unlike = wall.described._replace(dustbin_score=torch.tensor(60.0))
    same = sweep_depth_by_descriptors(unlike, wall.pairs(), wall.poses, guess, OPTIONS)
    assert off(same, guess) < 1e-3
    nothing = wall.pairs()
    nothing = nothing._replace(weight=torch.zeros_like(nothing.weight))
    same = sweep_depth_by_descriptors(wall.described, nothing, wall.poses, guess, OPTIONS)
    assert off(same, guess) < 1e-3
    contradicting = sweep_depth_by_descriptors(
        wall.described, wall.pairs(wrong=1.0), wall.poses, guess, OPTIONS
    )
    assert off(contradicting, guess) < 0.3 * math.log(1.5)


def test_partners_are_those_whose_cameras_fit(wall: Wall) -> None:
    pairs = wall.pairs()
    poor = (pairs.first == 0) & (pairs.second == 3)
    pairs = pairs._replace(weight=torch.where(poor[..., None], 0.0, pairs.weight))
    partners, weight = choose_partners(pairs, wall.poses, SIZE, 4, OPTIONS.triangulation)
    assert partners.shape == weight.shape == (1, 5, 4)
    assert 0 not in partners[0, 0, :3]
    assert 3 not in partners[0, 0, :3]
    assert float(weight[0, 0, 3]) == 0 < float(weight[0, 0, 2]) <= 1
    assert (weight.diff(dim=-1) <= 0).all()


def test_evidence_is_that_of_a_slow_twin(wall: Wall) -> None:
    """One cell, one depth and one partner at a time."""
    options = replace(OPTIONS.plane_sweep, num_depths=5)
    partners, weight = choose_partners(wall.pairs(), wall.poses, SIZE, 4, OPTIONS.triangulation)
    guess = torch.full((1, 5, *GRID), 5.0).log()
    change, deviation = sweep_descriptors(
        wall.described, wall.poses, guess, partners, weight, options
    )
    steps = torch.linspace(-1.2, 1.2, 5)
    for view, row, column in ((0, 5, 7), (2, 3, 11), (4, 9, 2)):
        evidence = -((steps / 0.5) ** 2) / 2
        for step in range(5):
            for slot in range(4):
                partner = int(partners[0, view, slot])
                x = (column + 0.5 - GRID[1] / 2) / half_diagonal(GRID) / FOCAL
                y = (row + 0.5 - GRID[0] / 2) / half_diagonal(GRID) / FOCAL
                point = 5.0 * steps[step].exp() * torch.tensor([x, y, 1.0])
                own_pose, its_pose = wall.poses[0, view], wall.poses[0, partner]
                point = rotation_from_quat_xyzw(own_pose[3:7]).mT @ (point - own_pose[:3])
                point = rotation_from_quat_xyzw(its_pose[3:7]) @ point + its_pose[:3]
                at = point[:2] / point[2] * FOCAL * half_diagonal(GRID)
                at = at + torch.tensor([GRID[1] / 2, GRID[0] / 2]) - 0.5
                if not (-0.5 < at[0] < GRID[1] - 0.5 and -0.5 < at[1] < GRID[0] - 0.5):
                    continue
                cells = wall.described.descriptors[0]
                own = cells[view, row * GRID[1] + column]
                scores = 20 * (cells[partner] @ own).reshape(1, 1, *GRID)
                place = 2 * (at + 0.5) / torch.tensor([GRID[1], GRID[0]]) - 1
                score = F.grid_sample(
                    scores, place[None, None, None], padding_mode="border", align_corners=False
                )
                likelihood = math.log1p(math.exp(float(score) - 12 + 5))
                evidence[step] += float(weight[0, view, slot]) * likelihood
        chance = evidence.softmax(0)
        mean = float((chance * steps).sum())
        cell = row * GRID[1] + column
        assert float(change[0, view, cell]) == pytest.approx(mean, abs=1e-3)
        spread = float((chance * (steps - mean) ** 2).sum()) ** 0.5
        assert float(deviation[0, view, cell]) == pytest.approx(spread, abs=1e-3)


def test_scenes_of_a_batch_are_their_own(wall: Wall) -> None:
    pairs = wall.pairs()
    both = ViewPairMatches(*(part.expand(2, *part.shape[1:]) for part in pairs))
    described = wall.described._replace(
        descriptors=wall.described.descriptors.expand(2, -1, -1, -1)
    )
    depth = torch.cat([wall.depth, 1.4 * wall.depth])
    together = sweep_depth_by_descriptors(
        described, both, wall.poses.expand(2, -1, -1), depth, OPTIONS
    )
    alone = sweep_depth_by_descriptors(wall.described, pairs, wall.poses, depth[1:], OPTIONS)
    torch.testing.assert_close(together[1:], alone)
    assert not torch.allclose(together[0], together[1])
