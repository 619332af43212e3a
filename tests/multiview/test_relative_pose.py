"""The relative pose of two views that most matches fit."""

import torch

from glance3d.multiview.matches import (
    ChosenPairs,
    Correspondence,
    Descriptors,
    PairEstimates,
    SoftMatches,
    ViewPairMatches,
    cell_centers,
)
from glance3d.multiview.matching.best_matches import select_pair_matches
from glance3d.multiview.relative_pose import estimate_relative_poses
from tests.multiview.matched_scene import (
    FOCAL,
    OPTIONS,
    degrees_between,
    matched_scene,
    scene_of,
    turntable,
)

NOTHING = torch.tensor([0.0, 0, 1, 0, 0, 0, 1, 1, 1])
SELECTION = OPTIONS.pair_selection
FOCALS = torch.tensor([FOCAL])


def errors(matches: ViewPairMatches, learned: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scene = matched_scene()
    estimated = estimate_relative_poses(matches, learned, FOCALS, OPTIONS.relative_pose)
    true = scene.relative(matches.first[0], matches.second[0])
    return degrees_between(estimated.rotation[0], estimated.direction[0], true)


def test_exact_matches_give_the_exact_pose_whatever_was_learned() -> None:
    rotation, direction = errors(matched_scene().matches(), NOTHING.expand(1, 6, 6, 9))
    assert rotation.max() < 0.1
    assert direction.max() < 0.5


def test_many_wrong_matches_do_little_harm() -> None:
    matches = matched_scene().matches(noise=0.002, wrong=0.35)
    rotation, direction = errors(matches, NOTHING.expand(1, 6, 6, 9))
    assert rotation.median() < 1
    assert direction.median() < 4


def test_a_long_lens_needs_starts_that_turn_around_the_thing() -> None:
    scene = turntable()
    matches, focal = scene.matches(noise=0.001, wrong=0.3), torch.tensor([4.0])
    true = scene.relative(matches.first[0], matches.second[0])
    errors_of = {
        orbits: degrees_between(estimated.rotation[0], estimated.direction[0], true)[0]
        for orbits in (False, True)
        for estimated in [
            estimate_relative_poses(
                matches, NOTHING.expand(1, 3, 3, 9), focal, OPTIONS.relative_pose, orbits
            )
        ]
    }
    assert errors_of[True].max() < 1
    assert errors_of[False].max() > 10


def test_the_inlier_share_says_what_share_of_the_matches_is_right() -> None:
    matches = matched_scene().matches(wrong=0.35)
    learned = matched_scene().pose_encodings()
    poses = estimate_relative_poses(matches, learned, FOCALS, OPTIONS.relative_pose)
    assert 0.6 < poses.inlier_share.median() < 0.75


def test_points_lie_in_front_of_both_cameras() -> None:
    """The opposite direction gives the same essential matrix, with all points behind."""
    learned = matched_scene().pose_encodings()
    learned[..., :3] *= -1
    _, direction = errors(matched_scene().matches(), learned)
    assert direction.max() < 0.5


def test_matches_that_say_nothing_are_finite() -> None:
    matches = matched_scene().matches()
    for empty in (
        matches._replace(weight=0 * matches.weight),
        matches._replace(first_hd=matches.second_hd),
    ):
        estimated = estimate_relative_poses(
            empty, torch.zeros(1, 6, 6, 9), FOCALS, OPTIONS.relative_pose
        )
        assert all(part.isfinite().all() for part in estimated)


def estimates_of(weight: torch.Tensor) -> PairEstimates:
    views = weight.shape[:3]
    return PairEstimates(weight, weight.mean(-1), NOTHING.expand(*views, 9), 9 + 0 * weight)


def random_matches(views: int, grid: tuple[int, int]) -> Correspondence:
    generator = torch.Generator().manual_seed(0)
    cells = grid[0] * grid[1]
    target_xy = 8 * torch.rand(1, views, views, cells, 2, generator=generator)
    weight = torch.rand(1, views, views, cells, generator=generator)
    source_xy = cell_centers(grid, torch.device("cpu")).expand_as(target_xy)
    matches = SoftMatches(source_xy, target_xy, weight, weight)
    descriptors = torch.zeros(1, views, cells, 1)
    described = Descriptors(descriptors, grid, torch.tensor(1.0), torch.tensor(0.0))
    return Correspondence(described, matches, estimates_of(weight))


def test_the_best_matches_of_either_side_come_first() -> None:
    pairs = select_pair_matches(random_matches(3, (20, 30)), SELECTION)
    assert pairs.weight.shape == (1, 3, 256)
    assert bool((pairs.weight.diff(dim=-1) <= 0).all())
    torch.testing.assert_close(pairs.weight.sum(-1), torch.ones(1, 3))
    chosen = torch.stack([pairs.first[0], pairs.second[0]], -1)
    assert sorted(map(tuple, chosen.tolist())) == [(0, 1), (0, 2), (1, 2)]


def test_of_many_views_only_pairs_that_share_most_are_looked_at() -> None:
    views = 2 * SELECTION.pairs_per_view + 4
    matched = random_matches(views, (2, 3))
    unlike = matched.pair_estimates.weight.clone()
    unlike[:, 0, 5] = unlike[:, 5, 0] = 0
    pairs = select_pair_matches(matched._replace(pair_estimates=estimates_of(unlike)), SELECTION)
    assert pairs.first.shape == (1, SELECTION.pairs_per_view * views)
    assert not bool(((pairs.first == 0) & (pairs.second == 5)).any())
    assert bool((pairs.first < pairs.second).all())


def test_of_chosen_pairs_the_same_matches_come_first() -> None:
    matched, scene = random_matches(6, (4, 5)), torch.zeros(1, 1, dtype=torch.long)
    first, second = (each[None] for each in torch.triu_indices(6, 6, 1))

    def both(part: torch.Tensor) -> torch.Tensor:
        return torch.stack([part[scene, first, second], part[scene, second, first]], 1)

    chosen = matched._replace(
        matches=SoftMatches(*map(both, matched.matches)),
        pair_estimates=PairEstimates(*map(both, matched.pair_estimates)),
        pairs=ChosenPairs(first, second),
    )
    for part, expected in zip(
        select_pair_matches(chosen, SELECTION), select_pair_matches(matched, SELECTION), strict=True
    ):
        assert part.equal(expected)
    poses, whole = chosen.pair_poses(), matched.pair_poses()
    assert poses.trust.equal(whole.trust * (1 - torch.eye(6)))
    assert poses.pose_enc[:, 2, 4].equal(whole.pose_enc[:, 2, 4])


def test_turned_in_place_is_known_from_moved() -> None:
    moved = matched_scene(views=3)
    turned = moved.cameras.clone()
    turned[2, :, 3] = 0  # the third camera stands where the first does
    world = 4 * torch.rand(150, 3, generator=torch.Generator().manual_seed(4))
    scene = scene_of(turned, world + torch.tensor([-2.0, -2, 4]))
    estimated = estimate_relative_poses(
        scene.matches(), scene.pose_encodings(), FOCALS, OPTIONS.relative_pose
    )
    (one_two, one_three, _) = estimated.parallax_share[0].tolist()
    assert one_two > 0.9
    assert one_three < 0.1
