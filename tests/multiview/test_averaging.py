"""Poses of all views from those of all pairs."""

import torch
import torch.nn.functional as F

from glance3d.geometry.rotations import so3_exp
from glance3d.multiview.averaging.cycles import confirmed_by_cycles
from glance3d.multiview.averaging.scene import ScenePoses, average_poses
from glance3d.multiview.relative_pose import RelativePoses
from tests.multiview.matched_scene import OPTIONS, degrees_between, matched_scene

SCENE = matched_scene(views=7, points=8, turns=0.2)
MATCHES = SCENE.matches()


def errors(estimated: ScenePoses) -> tuple[float, float]:
    """Degrees: the largest error of a rotation, and of a position's direction from the first."""
    centers = -(SCENE.cameras[..., :3].mT @ SCENE.cameras[..., 3:])
    true = torch.cat([SCENE.cameras[..., :3], centers], -1)
    rotation, direction = degrees_between(estimated.rotation[0], estimated.centers[0], true)
    return float(rotation.max()), float(direction[1:].max())


def with_inliers(share: torch.Tensor) -> RelativePoses:
    return SCENE.relative_poses()._replace(inlier_share=share[None])


def test_exact_pairs_give_exact_cameras() -> None:
    estimated = average_poses(MATCHES, SCENE.relative_poses(), 7, OPTIONS.averaging)
    rotation, direction = errors(estimated)
    assert rotation < 0.05
    assert direction < 1
    torch.testing.assert_close(estimated.rotation[0, 0], torch.eye(3))
    torch.testing.assert_close(estimated.centers[0, 0], torch.zeros(3))


def test_a_chain_reaches_views_that_share_nothing_with_the_first() -> None:
    neighbours = (MATCHES.second - MATCHES.first == 1)[0]
    poses = with_inliers(neighbours.float())
    nonsense = torch.eye(3).expand_as(poses.rotation)
    poses = poses._replace(
        rotation=torch.where(neighbours[:, None, None], poses.rotation, nonsense)
    )
    assert errors(average_poses(MATCHES, poses, 7, OPTIONS.averaging))[0] < 3


def test_pairs_that_agree_outvote_those_that_do_not() -> None:
    poses = SCENE.relative_poses()
    generator = torch.Generator().manual_seed(2)
    turned = F.normalize(torch.randn(21, 3, 3, generator=generator), dim=-1)
    turned[..., 2, :] = torch.linalg.cross(turned[..., 0, :], turned[..., 1, :])
    wrong = torch.arange(21) % 5 == 2
    rotation = torch.where(wrong[:, None, None], torch.linalg.qr(turned).Q, poses.rotation[0])
    estimated = average_poses(
        MATCHES, poses._replace(rotation=rotation[None]), 7, OPTIONS.averaging
    )
    assert errors(estimated)[0] < 3
    trust = estimated.trust[0]
    assert trust[wrong].max() < 0.2 * trust[~wrong].mean()
    assert trust[wrong].max() < 0.5 * trust[~wrong].min()


def test_the_only_bridge_between_two_groups_keeps_its_trust() -> None:
    """No cycle says anything of it; a wrong pair inside a group is contradicted."""
    groups = torch.tensor([0, 0, 0, 0, 1, 1, 1])
    pairs = torch.stack([MATCHES.first[0], MATCHES.second[0]], -1)
    bridge = (pairs == torch.tensor([3, 4])).all(-1)
    inside = groups[pairs[:, 0]] == groups[pairs[:, 1]]
    poses = with_inliers((inside | bridge).float())
    wrong = (pairs == torch.tensor([0, 1])).all(-1)
    poses.rotation[0, wrong] = poses.rotation[0, wrong] @ so3_exp(torch.tensor([0.0, 1, 0]))
    trust = confirmed_by_cycles(MATCHES, poses.rotation, poses.inlier_share, 7, OPTIONS.averaging)[
        0
    ]
    assert trust[bridge] > 0.99
    assert trust[wrong] < 0.3
    estimated = average_poses(MATCHES, poses, 7, OPTIONS.averaging)
    assert errors(estimated)[0] < 3


def test_scenes_do_not_know_of_each_other() -> None:
    twice = [
        type(part)(*(torch.cat([x, x]) for x in part))
        for part in (MATCHES, with_inliers(torch.ones(21)))
    ]
    matches, poses = twice
    poses.rotation[1] = torch.eye(3)
    estimated = average_poses(matches, poses, 7, OPTIONS.averaging)
    alone = average_poses(MATCHES, SCENE.relative_poses(), 7, OPTIONS.averaging)
    torch.testing.assert_close(estimated.rotation[0], alone.rotation[0])
    torch.testing.assert_close(estimated.rotation[1], torch.eye(3).expand(7, 3, 3))


def test_pairs_from_one_place_move_nobody() -> None:
    poses = SCENE.relative_poses()
    of_view = (MATCHES.first == 2) | (MATCHES.second == 2)
    pairs = of_view & ((MATCHES.first < 2) | (MATCHES.second == 6))
    direction, parallax = poses.direction.clone(), poses.parallax_share.clone()
    direction[pairs], parallax[pairs] = -direction[pairs], 0.0
    misled = poses._replace(direction=direction)
    still = misled._replace(parallax_share=parallax)
    assert errors(average_poses(MATCHES, misled, 7, OPTIONS.averaging))[1] > 6
    assert errors(average_poses(MATCHES, still, 7, OPTIONS.averaging))[1] < 3


def test_nothing_known_is_finite() -> None:
    estimated = average_poses(MATCHES, with_inliers(torch.zeros(21)), 7, OPTIONS.averaging)
    assert all(part.isfinite().all() for part in estimated)
