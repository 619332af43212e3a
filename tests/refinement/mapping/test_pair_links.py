"""Models are joined by pairs of photos across, with points or without, unless these disagree."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from glance3d.geometry.cameras import project_points
from glance3d.geometry.rotations import rotation_angle, so3_exp
from glance3d.geometry.similarity import Similarity
from glance3d.refinement.mapping.joining.cross_matches import CrossMatches
from glance3d.refinement.mapping.joining.pair_links import similarity_of_pairs
from tests.refinement.verified_pairs import true_cameras

A_FROM_B = Similarity(
    2.5, so3_exp(torch.tensor([0.4, -0.7, 0.2]).double()), torch.tensor([1.0, -2.0, 0.5]).double()
)
FIRST, SECOND = (0, 1, 2), (3, 4, 5)


@dataclass(frozen=True)
class Scene:
    """Six cameras, of which the second three have a world of their own, and what all see."""

    cameras: list[tuple[torch.Tensor, torch.Tensor]]
    points: torch.Tensor

    def cross(self, pairs, known=0.0, known_in=(True, True), wrong=0.0) -> CrossMatches:
        """Noisy matches of these pairs, some with a point in either model, some wrong."""
        random = np.random.default_rng(0)
        parts = []
        for number, (i, j) in enumerate(pairs):
            rows = torch.from_numpy(random.permutation(len(self.points))[:40])
            sides = []
            for view in (i, j):
                pose, matrix = self.cameras[view]
                world = self.points[rows]
                pixels = project_points(world, pose, matrix)[0]
                pixels = pixels + torch.from_numpy(random.normal(0, 0.4, pixels.shape))
                sides.append([pixels, pose, matrix, world])
            count = round(wrong * 40)
            sides[1][0][:count] = torch.from_numpy(random.uniform(20, 280, (count, 2)))
            sides[1][1] = A_FROM_B.inverse().transform_cameras(sides[1][1][None])[0]
            sides[1][3] = A_FROM_B.inverse().transform_points(sides[1][3])
            # No match has a point in both models.
            which = torch.from_numpy(random.uniform(size=40))
            has = (which < known) & known_in[0], (which > 1 - known) & known_in[1]
            columns = [torch.full((40,), number)]
            for column in zip(*sides, strict=True):
                columns += [
                    part.expand(40, *part.shape[-2:]) if part.ndim == 2 and len(part) == 3 else part
                    for part in column
                ]
            for index, own in ((7, has[0]), (8, has[1])):
                columns[index] = torch.where(own[:, None], columns[index], torch.nan)
            parts.append(columns)
        return CrossMatches(*(torch.cat(column) for column in zip(*parts, strict=True)))


@pytest.fixture(scope="module")
def scene() -> Scene:
    cameras = true_cameras(6)
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(120, 3, generator=generator).double() * 2 + torch.tensor([-1.0, -0.7, 1.0])
    return Scene(
        list(zip(cameras.cam_from_world.double(), cameras.intrinsics.double(), strict=True)),
        points,
    )


def assert_right(solved: tuple[Similarity, int] | None, degrees: float = 1.0) -> None:
    assert solved is not None
    similarity, _ = solved
    assert similarity.scale == pytest.approx(A_FROM_B.scale, rel=0.05)
    angle = rotation_angle(similarity.rotation, A_FROM_B.rotation)
    assert float(torch.rad2deg(angle)) < degrees
    atol = 0.2 * degrees
    torch.testing.assert_close(similarity.translation, A_FROM_B.translation, atol=atol, rtol=0)


PAIRS = [(0, 3), (1, 4), (2, 3), (0, 5)]


def test_pairs_without_any_point_join_by_their_directions(scene: Scene) -> None:
    assert_right(similarity_of_pairs(scene.cross(PAIRS, wrong=0.2), 2.0, 0), degrees=5.0)


def test_two_pairs_join_if_points_confirm_them(scene: Scene) -> None:
    """Each match has a point in one model at most: a baseline's length in both is known so."""
    assert_right(similarity_of_pairs(scene.cross(PAIRS[:2], known=0.4, wrong=0.2), 2.0, 0))
    assert similarity_of_pairs(scene.cross(PAIRS[:2], wrong=0.2), 2.0, 0) is None


def test_one_pair_alone_is_not_believed(scene: Scene) -> None:
    assert similarity_of_pairs(scene.cross(PAIRS[:1], known=0.5), 2.0, 0) is None


def test_pairs_that_disagree_join_nothing(scene: Scene) -> None:
    """Each pair by itself is right, but of photos that stand elsewhere in their model."""
    cross = scene.cross(PAIRS, known=0.4)
    generator = torch.Generator().manual_seed(3)
    pose_b = cross.pose_b.clone()
    for pair in range(len(PAIRS)):
        turn = so3_exp(torch.randn(3, generator=generator).double())
        own = cross.pair == pair
        pose_b[own, :, 3] += torch.randn(3, generator=generator).double()
        pose_b[own] = turn @ pose_b[own]
    assert similarity_of_pairs(cross._replace(pose_b=pose_b), 2.0, 0) is None


def test_chance_matches_join_nothing(scene: Scene) -> None:
    cross = scene.cross(PAIRS, known=0.4, wrong=1.0)
    assert similarity_of_pairs(cross, 2.0, 0) is None


def test_a_twin_that_contradicts_as_many_matches_joins_nothing(scene: Scene) -> None:
    """Half of the pairs see a twin of the place, each right for its own similarity."""
    cross = scene.cross([*PAIRS, (1, 3), (2, 4), (1, 5), (2, 5)], known=0.4)
    twin = Similarity(1.3, so3_exp(torch.tensor([0.0, 1.2, 0.0]).double()), torch.ones(3).double())
    own = cross.pair < len(PAIRS)
    pose_b, world_b = cross.pose_b.clone(), cross.world_b.clone()
    pose_b[own] = twin.transform_cameras(pose_b[own])
    world_b[own] = twin.transform_points(world_b[own])
    assert similarity_of_pairs(cross._replace(pose_b=pose_b, world_b=world_b), 2.0, 0) is None
