"""What is solved by pairs, for many views, is what whole matrices give."""

import pytest
import torch

from glance3d.multiview import pose_adjustment
from glance3d.multiview.averaging import cycles, rotations, translations
from glance3d.multiview.averaging.scene import ScenePoses, average_poses
from glance3d.multiview.equations import pair_solver
from glance3d.multiview.equations.pair_solver import PairEquations, PairSolver
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.pose_adjustment import FocalPrior, adjust_poses
from glance3d.multiview.relative_pose import RelativePoses
from tests.multiview.matched_scene import FOCAL, OPTIONS, matched_scene

SCENE = matched_scene(views=16, turns=0.2)
#: Along a walk every view is in a pair with the next three; the last closes the loop.
WALK = [(v, w) for v in range(16) for w in range(v + 1, 16) if w - v <= 3 or (v, w) == (0, 15)]


def along_the_walk(*parts: torch.Tensor) -> list[torch.Tensor]:
    """Of what belongs to all pairs of views, those of the walk."""
    order = torch.triu_indices(16, 16, 1).T.tolist()
    kept = torch.tensor([order.index(list(pair)) for pair in WALK])
    return [part[:, kept] for part in parts]


def walk(noise: float = 0.002) -> tuple[ViewPairMatches, RelativePoses]:
    matches = ViewPairMatches(*along_the_walk(*SCENE.matches(noise, wrong=0.1)))
    return matches, RelativePoses(*along_the_walk(*SCENE.relative_poses()))


def by_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if sixteen views were many."""
    for module in (translations, pose_adjustment):
        monkeypatch.setattr(module, "MOST_DENSE_VIEWS", 8)
    monkeypatch.setattr(rotations, "MOST_SQUARED_VIEWS", 8)
    monkeypatch.setattr(cycles, "MOST_THIRDS", 8)


def test_averaged_poses_are_those_of_whole_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    matches, poses = walk()
    poses.rotation[0, 5] = torch.eye(3)  # one pair is wrong
    whole = average_poses(matches, poses, 16, OPTIONS.averaging)
    by_pairs(monkeypatch)
    for parts, expected in zip(
        average_poses(matches, poses, 16, OPTIONS.averaging), whole, strict=True
    ):
        torch.testing.assert_close(parts, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("as_band", [True, False])
def test_adjusted_poses_are_those_of_whole_matrices(
    as_band: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches, poses = walk()
    start = average_poses(matches, poses, 16, OPTIONS.averaging)
    start = ScenePoses(start.rotation, start.centers + 0.02 * torch.rand(16, 3), start.trust)
    prior = FocalPrior(torch.tensor([1.1 * FOCAL]), torch.tensor([0.6]))
    whole, focal = adjust_poses(matches, start, prior, OPTIONS.pose_adjustment)
    by_pairs(monkeypatch)
    monkeypatch.setattr(pair_solver, "_WIDE_BAND", 1.0 if as_band else 0.0)
    adjusted, focal_by_pairs = adjust_poses(matches, start, prior, OPTIONS.pose_adjustment)
    torch.testing.assert_close(adjusted.rotation, whole.rotation, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(adjusted.centers, whole.centers, rtol=1e-2, atol=3e-3)
    torch.testing.assert_close(focal_by_pairs, focal, rtol=1e-3, atol=0)


def random_equations(matches: ViewPairMatches, size: int) -> PairEquations:
    """Symmetric, and so heavy on the diagonal that they have one solution."""
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, dtype=torch.float64, generator=generator)

    own = numbers(1, 16, size, size)
    heavy = 20 * size * torch.eye(size, dtype=torch.float64)
    of_pairs = numbers(1, len(WALK), size, size)
    return PairEquations(own + own.mT + heavy, of_pairs, numbers(1, 16, size, 2))


def times(equations: PairEquations, matches: ViewPairMatches, x: torch.Tensor) -> torch.Tensor:
    """``A x``, pair by pair."""
    product = equations.of_views @ x
    for index, (v, w) in enumerate(zip(matches.first[0], matches.second[0], strict=True)):
        product[0, v] += equations.of_pairs[0, index] @ x[0, w]
        product[0, w] += equations.of_pairs[0, index].mT @ x[0, v]
    return product


@pytest.mark.parametrize("widest", [0.0, 1.0])
def test_equations_are_solved_in_any_order_of_views(
    widest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches, _ = walk()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    # The first view of a pair is the larger one as often as not.
    shuffled = matches._replace(first=order[matches.first], second=order[matches.second])
    monkeypatch.setattr(pair_solver, "_WIDE_BAND", widest)
    solver = PairSolver(shuffled, 16, 3)
    assert (solver.bands is None) == (widest == 0.0)
    equations = random_equations(shuffled, 3)
    solved = solver.solve(equations)
    torch.testing.assert_close(times(equations, shuffled, solved), equations.right)
    held = solver.solve(equations.with_first_view_held(shuffled))
    assert held[0, 0].abs().max() == 0
    left = times(equations, shuffled, held)[:, 1:]
    torch.testing.assert_close(left, equations.right[:, 1:])


def test_a_walk_is_a_narrow_band_and_strangers_are_none() -> None:
    matches, _ = walk()
    bands = PairSolver(matches, 16, 6).bands
    every = PairSolver(SCENE.matches(), 16, 6).bands
    assert every is None
    assert bands is None or max(band.width for band in bands) < 6 * 16


@pytest.mark.parametrize("widest", [0.0, 1.0])
def test_equations_without_a_solution_give_zeros(
    widest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches, _ = walk()
    monkeypatch.setattr(pair_solver, "_WIDE_BAND", widest)
    solver = PairSolver(matches, 16, 3)
    equations = random_equations(matches, 3)
    for wrong in (-equations.of_views, equations.of_views * torch.nan):
        assert solver.solve(equations._replace(of_views=wrong)).abs().max() == 0
