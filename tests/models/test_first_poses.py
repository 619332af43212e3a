"""The cameras of a scene, from matches and a focal length that was guessed."""

import math

import torch

from glance3d.models.correspondence.first_poses import estimate_first_poses, fields_of_view
from glance3d.models.correspondence.relations import Relations
from tests.models.matched_scene import FOCAL, degrees_between, matched_scene

SIZE = (96, 128)
SCENE = matched_scene(turns=0.2)


def guessing(factor: float, scenes: int = 1) -> Relations:
    """Nothing is known of the poses; the focal length is wrong by a factor."""
    views = len(SCENE.cameras)
    fields = fields_of_view(torch.tensor([factor * FOCAL]), SIZE)[0]
    pose = torch.cat([torch.tensor([0.0, 0, 1, 0, 0, 0, 1]), fields])
    trust = (1 - torch.eye(views)).expand(scenes, -1, -1)
    nothing = torch.zeros(scenes, views, views, 1)
    return Relations(nothing, trust, pose.expand(scenes, views, views, 9), nothing)


def errors(pose: torch.Tensor) -> tuple[float, float]:
    """Of rotations in degrees, and of the focal length as a factor."""
    from glance3d.geometry.transforms import rotation_from_quat_xyzw

    rotation = rotation_from_quat_xyzw(pose[:, 3:7])
    turned = degrees_between(rotation, pose[:, :3], SCENE.cameras)[0]
    focal = SIZE[0] / 2 / torch.tan(pose[0, 7] / 2) / (math.hypot(*SIZE) / 2)
    return float(turned.max()), float(focal) / FOCAL


def test_a_wrong_focal_length_is_found_out() -> None:
    for factor in (0.7, 1.0, 1.5):
        found = estimate_first_poses(SCENE.matches(noise=0.001), guessing(factor), SIZE)
        turned, ratio = errors(found[0])
        assert turned < 3
        assert abs(math.log(ratio)) < 0.15


def test_scenes_choose_for_themselves() -> None:
    one, other = SCENE.matches(noise=0.001), SCENE.matches(wrong=0.3)
    both = type(one)(*(torch.cat(parts) for parts in zip(one, other, strict=True)))
    together = estimate_first_poses(both, guessing(1.3, 2), SIZE)
    for index, alone in enumerate((one, other)):
        expected = estimate_first_poses(alone, guessing(1.3), SIZE)[0]
        torch.testing.assert_close(together[index], expected, rtol=0, atol=0.02)
