"""All poses of a scene moved together."""

import torch

from glance3d.geometry.rotations import so3_exp
from glance3d.multiview.averaging.scene import ScenePoses
from glance3d.multiview.pose_adjustment import (
    FocalPrior,
    _State,
    adjust_poses,
    inlier_share,
)
from tests.multiview.matched_scene import FOCAL, OPTIONS, degrees_between, matched_scene

SCENE = matched_scene(turns=0.2)


def true_centers() -> torch.Tensor:
    return -(SCENE.cameras[..., :3].mT @ SCENE.cameras[..., 3:])[None, ..., 0]


def disturbed(size: float) -> ScenePoses:
    generator = torch.Generator().manual_seed(2)
    turns, moves = size * torch.randn(2, 1, 6, 3, generator=generator)
    turns[:, 0] = moves[:, 0] = 0
    rotation = so3_exp(turns) @ SCENE.cameras[None, ..., :3]
    return ScenePoses(rotation, true_centers() + moves, torch.ones(1, 15))


def expected(factor: float = 1.0, deviation: float = 0.6) -> FocalPrior:
    return FocalPrior(torch.tensor([factor * FOCAL]), torch.tensor([deviation]))


def errors(estimated: ScenePoses) -> tuple[float, float]:
    true = torch.cat([SCENE.cameras[..., :3], true_centers()[0, ..., None]], -1)
    rotation, direction = degrees_between(estimated.rotation[0], estimated.centers[0], true)
    return float(rotation.max()), float(direction[1:].max())


def test_exact_matches_give_exact_cameras_and_the_focal_length() -> None:
    start = disturbed(0.05)
    adjusted, focal = adjust_poses(SCENE.matches(), start, expected(1.1), OPTIONS.pose_adjustment)
    rotation, direction = errors(adjusted)
    assert rotation < 0.5 < errors(start)[0]
    assert direction < 1.5 < errors(start)[1]
    assert abs(float(focal) / FOCAL - 1) < 0.02
    torch.testing.assert_close(adjusted.rotation[0, 0], torch.eye(3))
    torch.testing.assert_close(adjusted.centers[0, 0], torch.zeros(3))


def test_wrong_matches_do_little_harm() -> None:
    matches = SCENE.matches(noise=0.002, wrong=0.3)
    adjusted, focal = adjust_poses(matches, disturbed(0.05), expected(1.1), OPTIONS.pose_adjustment)
    assert errors(adjusted)[0] < 1
    assert abs(float(focal) / FOCAL - 1) < 0.05


def test_what_is_expected_for_sure_is_hardly_left() -> None:
    far = expected(1.1, deviation=0.005)
    _, focal = adjust_poses(SCENE.matches(), disturbed(0.0), far, OPTIONS.pose_adjustment)
    assert abs(float(focal / far.focal_hd) - 1) < 0.02


def test_true_poses_fit_more_than_others() -> None:
    matches, focal = SCENE.matches(wrong=0.3), torch.tensor([FOCAL])
    true, other = disturbed(0.0), disturbed(0.1)
    assert 0.55 < float(inlier_share(matches, true, focal, 0.008)) < 0.75
    assert float(inlier_share(matches, other, focal, 0.008)) < 0.5
    assert float(inlier_share(matches, true, 1.5 * focal, 0.008)) < 0.5


def test_jacobian_and_chain_are_those_of_the_distances() -> None:
    """A small step changes the distances by what the jacobian says."""
    state = _State(SCENE.matches(), disturbed(0.05), torch.tensor([FOCAL]))
    generator = torch.Generator().manual_seed(4)
    step = 2e-3 * torch.randn(1, 6 * 6 + 1, generator=generator)
    after = state.moved(step)
    first, second = (3 * views[0, :, None] + torch.arange(3) for views in state.pairs[:2])
    index = torch.cat(
        [first, second, 18 + first, 18 + second, torch.full_like(first[:, :1], 36)], 1
    )
    relative = (state.chain()[0] @ step[0, index, None])[..., 0]
    # The jacobian leaves out how a move changes the scale of a distance, which is small near zero.
    near = state.residual.distance_hd[0].abs() < 0.02
    predicted = (state.jacobian()[0] @ relative[..., None])[..., 0][near]
    moved = (after.residual.distance_hd - state.residual.distance_hd)[0][near]
    assert float((predicted - moved).norm() / moved.norm()) < 0.1


def test_nothing_known_is_finite() -> None:
    nothing = ScenePoses(torch.eye(3).expand(1, 6, 3, 3), torch.zeros(1, 6, 3), torch.zeros(1, 15))
    adjusted, focal = adjust_poses(SCENE.matches(), nothing, expected(), OPTIONS.pose_adjustment)
    assert all(part.isfinite().all() for part in (*adjusted, focal))
