"""Cameras around points, and all matches between their views."""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from glance3d.geometry.rotations import (
    positive_quat_xyzw_from_rotation,
    rotation_angle,
    rotation_from_quat_xyzw,
)
from glance3d.geometry.transforms import compose, invert
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import MultiviewOptions
from glance3d.multiview.pose_initialisation import fields_of_view
from glance3d.multiview.relative_pose import RelativePoses

FOCAL = 1.2
SIZE = (96, 128)
OPTIONS = MultiviewOptions()


class MatchedScene(NamedTuple):
    """``cameras`` are ``[V, 3, 4]`` in the first one's frame, ``places`` ``[V, N, 2]``."""

    cameras: torch.Tensor
    places: torch.Tensor

    def relative(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """``second_from_first``, ``[pairs, 3, 4]``."""
        return compose(self.cameras[second], invert(self.cameras[first]))

    def matches(self, noise: float = 0.0, wrong: float = 0.0) -> ViewPairMatches:
        """Of all pairs; a share of them is wrong, and trusted like any other."""
        generator = torch.Generator().manual_seed(5)
        views = len(self.cameras)
        first, second = torch.triu_indices(views, views, 1)
        source, target = self.places[first], self.places[second]
        target = target + noise * torch.randn(target.shape, generator=generator)
        anywhere = torch.rand(target.shape, generator=generator) - 0.5
        is_wrong = torch.rand(target.shape[:2], generator=generator) < wrong
        target = torch.where(is_wrong[..., None], anywhere, target)
        weight = torch.full(source.shape[:2], 1 / source.shape[1])
        amount = torch.ones(len(first))
        parts = (first, second, source, target, weight, amount)
        return ViewPairMatches(*(part[None] for part in parts))

    def relative_poses(self) -> RelativePoses:
        """The true ones."""
        views = len(self.cameras)
        relative = self.relative(*torch.triu_indices(views, views, 1))
        direction = F.normalize(relative[..., 3], dim=-1)
        ones = torch.ones(1, len(relative))
        return RelativePoses(relative[None, ..., :3], direction[None], ones, ones)

    def pose_encodings(self) -> torch.Tensor:
        """The true ones of all pairs, ``[1, V, V, 9]``, lengths of translations included."""
        views = torch.arange(len(self.cameras))
        first, second = (part.flatten() for part in torch.meshgrid(views, views, indexing="ij"))
        relative = self.relative(first, second)
        quat = positive_quat_xyzw_from_rotation(relative[..., :3])
        parts = [relative[..., 3], quat, torch.ones(len(first), 2)]
        return torch.cat(parts, -1).unflatten(0, (len(views), len(views)))[None]


def matched_scene(views: int = 6, points: int = 150, turns: float = 0.1) -> MatchedScene:
    """Points in a box before all cameras, which stand apart and are turned at random."""
    generator = torch.Generator().manual_seed(1)
    quats = turns * torch.randn(views, 4, generator=generator) + torch.tensor([0.0, 0, 0, 1])
    rotation = rotation_from_quat_xyzw(F.normalize(quats, dim=-1))
    centers = 0.7 * torch.randn(views, 3, generator=generator)
    cameras = torch.cat([rotation, -(rotation @ centers[..., None])], -1)
    cameras = compose(cameras, invert(cameras[:1]).expand(views, -1, -1))
    world = 4 * torch.rand(points, 3, generator=generator) + torch.tensor([-2.0, -2, 4])
    return scene_of(cameras, world)


def scene_of(cameras: torch.Tensor, world: torch.Tensor) -> MatchedScene:
    """Points seen by cameras that are given in the first one's frame."""
    seen = world @ cameras[..., :3].mT + cameras[:, None, :, 3]
    return MatchedScene(cameras, FOCAL * seen[..., :2] / seen[..., 2:])


def pose_encodings(scene: MatchedScene, shrunk: float) -> torch.Tensor:
    """Of all views of ``SIZE``, their translations too small by a factor."""
    to_first = scene.pose_encodings()[:, 0]
    fields = fields_of_view(torch.tensor([FOCAL]), SIZE)[:, None].expand(-1, len(to_first[0]), -1)
    return torch.cat([to_first[..., :3] / shrunk, to_first[..., 3:7], fields], -1)


def turntable(focal: float = 4.0, degrees: float = 25.0, points: int = 200) -> MatchedScene:
    """Three cameras around a thing far away, seen by a long lens."""
    generator = torch.Generator().manual_seed(3)
    angle = torch.arange(3) * torch.deg2rad(torch.tensor(degrees))
    zero, one = torch.zeros(3), torch.ones(3)
    rows = ([angle.cos(), zero, angle.sin()], [zero, one, zero], [-angle.sin(), zero, angle.cos()])
    rotation = torch.stack([torch.stack(row, -1) for row in rows], -2)
    away = torch.tensor([0.0, 0, 6]).expand(3, 3)[..., None]
    cameras = torch.cat([rotation, away], -1)
    thing = torch.rand(points, 3, generator=generator) * 2 - 1
    seen = thing @ cameras[..., :3].mT + cameras[:, None, :, 3]
    cameras = compose(cameras, invert(cameras[:1]).expand(3, -1, -1))
    return MatchedScene(cameras, focal * seen[..., :2] / seen[..., 2:])


def degrees_between(
    rotation: torch.Tensor, direction: torch.Tensor, true: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Errors of rotations, and of directions, against ``[..., 3, 4]``."""
    cosine = F.cosine_similarity(direction, true[..., 3], dim=-1).clamp(-1, 1)
    return rotation_angle(rotation, true[..., :3]).rad2deg(), cosine.acos().rad2deg()
