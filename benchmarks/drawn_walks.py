"""Drawn buildings and walks through them, with true cameras and depth: no pictures, only geometry.

A floor plan is a union of rectangles (x right, z ahead, metres) between a floor and a ceiling, with
pillars; cameras are level. ``ring`` comes back to where it began, ``twins`` passes two rooms that
are equal to the last pillar.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

HEIGHT, WIDTH, FOCAL = 12, 16, 8.0
_FLOOR, _CEILING = 1.5, 1.2  # below and above the camera
_STEP = 0.6
_TURN = math.radians(30)

Rectangle = tuple[float, float, float, float]  # x from, x to, z from, z to


@dataclass
class Walk:
    """Where a camera was, view by view, and the plan around it.

    ``twin`` is the number of the twin room (0, 1) that a view was taken in, -1 elsewhere;
    ``room_from_world`` of each twin room maps (x, z) to its own axes.
    """

    spaces: list[Rectangle]
    pillars: list[Rectangle] = field(default_factory=list)
    places: list[tuple[float, float, float]] = field(default_factory=list)  # x, z, yaw
    twin: list[int] = field(default_factory=list)
    room_from_world: list[np.ndarray] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.places)

    def stand(self, x: float, z: float, yaw: float, twin: int = -1) -> None:
        """A view from here."""
        self.places.append((x, z, yaw))
        self.twin.append(twin)

    def turn_to(self, yaw: float, twin: int = -1) -> None:
        """Turn on the spot, the short way."""
        x, z, now = self.places[-1]
        left = math.remainder(yaw - now, 2 * math.pi)
        count = math.ceil(abs(left) / _TURN)
        for index in range(1, count + 1):
            self.stand(x, z, now + left * index / count, twin)

    def go_to(self, x: float, z: float, twin: int = -1) -> None:
        """Turn that way, then walk there."""
        x0, z0, _ = self.places[-1]
        yaw = math.atan2(x - x0, z - z0)
        self.turn_to(yaw, twin)
        count = max(1, round(math.hypot(x - x0, z - z0) / _STEP))
        for index in range(1, count + 1):
            share = index / count
            self.stand(x0 + share * (x - x0), z0 + share * (z - z0), yaw, twin)

    def cam_from_world(self) -> Float[Tensor, "views 3 4"]:
        """True cameras."""
        x, z, yaw = np.array(self.places).T
        zero, one = np.zeros_like(x), np.ones_like(x)
        rows = [
            [np.cos(yaw), zero, -np.sin(yaw)],
            [zero, one, zero],
            [np.sin(yaw), zero, np.cos(yaw)],
        ]
        rotation = np.stack([np.stack(row, -1) for row in rows], -2)
        center = np.stack([x, zero, z], -1)
        shift = -np.einsum("vij,vj->vi", rotation, center)
        return torch.from_numpy(np.concatenate([rotation, shift[..., None]], -1))

    def depth(self) -> Float[Tensor, "views height width"]:
        """True z-depth."""
        segments = _walls(self.spaces) + [side for box in self.pillars for side in _sides(box)]
        start, end = np.array(segments).transpose(1, 0, 2)  # [S,2] each
        x, z, yaw = np.array(self.places).T
        slope = (np.arange(WIDTH) + 0.5 - WIDTH / 2) / FOCAL
        ray_x = np.sin(yaw)[:, None] + slope * np.cos(yaw)[:, None]  # [V,W], 1 along the axis
        ray_z = np.cos(yaw)[:, None] - slope * np.sin(yaw)[:, None]
        along = end - start
        # origin + t ray = start + u along, by Cramer's rule.
        det = ray_z[..., None] * along[:, 0] - ray_x[..., None] * along[:, 1]
        to_x, to_z = start[:, 0] - x[:, None, None], start[:, 1] - z[:, None, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (to_z * along[:, 0] - to_x * along[:, 1]) / det
            u = (ray_x[..., None] * to_z - ray_z[..., None] * to_x) / det
        hit = (t > 1e-6) & (u >= 0) & (u <= 1)
        wall = np.where(hit, t, 1e3).min(-1)  # [V,W]
        drop = (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / FOCAL
        level = np.where(drop > 0, _FLOOR, _CEILING) / np.abs(drop)
        return torch.from_numpy(np.minimum(wall[:, None, :], level[None, :, None]))


def ring(seed: int, laps: float = 1.0) -> Walk:
    """Round a block along its corridors, and on for some metres where it began."""
    random = np.random.default_rng(seed)
    a, b = random.uniform(10, 22, 2)
    half = random.uniform(1.0, 1.4)
    corners = [(0.0, 0.0), (0.0, b), (a, b), (a, 0.0)]
    walk = Walk([_along(corners[index], corners[(index + 1) % 4], half) for index in range(4)])
    for index in range(4):
        _decorate(walk, random, corners[index], corners[(index + 1) % 4], half)
    walk.stand(0.0, b / 3, 0.0)
    for corner in range(1, round(4 * laps) + 1):
        walk.go_to(*corners[corner % 4])
    walk.go_to(0.0, b / 3 + 5 * _STEP)
    return walk


def twins(seed: int) -> Walk:
    """Along a corridor, straight or bent, into a room, on, and into another one like it."""
    random = np.random.default_rng(seed)
    half, side = random.uniform(0.9, 1.2), random.uniform(3.0, 4.5)
    first, between, rest = random.uniform(6, 10), random.uniform(side + 3, 22), 4.0
    bend = int(random.integers(3))  # straight, right, two to the right (back beside the first)
    points = [np.array([0.0, 0.0]), np.array([0.0, first + side + 1])]
    legs = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0)][: bend + 1]
    for leg in legs[1:]:
        points.append(points[-1] + np.array(leg) * (between + side + rest))
    if bend == 0:
        points[-1] = points[-1] + np.array([0.0, between + side + rest])
    walk = Walk([_along(tuple(p), tuple(q), half) for p, q in pairwise(points)])
    for p, q in pairwise(points):
        _decorate(walk, random, tuple(p), tuple(q), half, first_free=True)
    walk.stand(0.0, 0.0, 0.0)
    furniture = [random.uniform(0.15, 0.85, 2) * side for _ in range(3)]
    _visit(walk, random, np.array([0.0, first]), np.array(legs[0]), half, side, furniture, 0)
    last = np.array(legs[-1])
    where = points[-2] + last * between if bend else np.array([0.0, first + between])
    for corner in points[1:-1]:
        walk.go_to(*corner)
    _visit(walk, random, where, last, half, side, furniture, 1)
    walk.go_to(*points[-1])
    return walk


def _visit(
    walk: Walk,
    random: np.random.Generator,
    door: np.ndarray,
    ahead: np.ndarray,
    half: float,
    side: float,
    furniture: list[np.ndarray],
    number: int,
) -> None:
    """Into a room at the left, once round, and out again. Its own axes: into it, along ahead."""
    into = np.array([-ahead[1], ahead[0]])  # left of ahead, in (x, z)
    axes = np.stack([into, ahead])  # room from world, at the door's middle on the corridor's wall
    origin = door + half * into

    def world(u: float, v: float) -> tuple[float, float]:
        x, z = origin + u * into + v * ahead
        return float(x), float(z)

    def box(u0: float, u1: float, v0: float, v1: float) -> Rectangle:
        (xa, za), (xb, zb) = world(u0, v0), world(u1, v1)
        return min(xa, xb), max(xa, xb), min(za, zb), max(za, zb)

    walk.spaces += [box(-0.2, 0.5, -0.6, 0.6), box(0.3, 0.3 + side, -side / 2, side / 2)]
    for u, v in furniture:  # not in the middle, where the walk goes
        if abs(u - side / 2) > 0.8 and abs(v - side / 2) > 0.8:
            walk.pillars.append(box(0.3 + u, 0.6 + u, v - side / 2, v - side / 2 + 0.3))
    walk.room_from_world.append(np.concatenate([axes, (-axes @ origin)[:, None]], 1))
    walk.go_to(*map(float, door))
    walk.go_to(*world(0.3 + side / 2, 0.0), twin=number)
    yaw = walk.places[-1][2]
    for turn in (2.0, 4.0, 6.0):
        walk.turn_to(yaw + turn * math.pi / 3, number)
    walk.go_to(*world(0.3, 0.0), twin=number)
    walk.go_to(*map(float, door))


def _along(start: tuple, end: tuple, half: float) -> Rectangle:
    """A corridor from point to point, closed half a width beyond."""
    (xa, za), (xb, zb) = start, end
    return (
        min(xa, xb) - half,
        max(xa, xb) + half,
        min(za, zb) - half,
        max(za, zb) + half,
    )


def _decorate(
    walk: Walk,
    random: np.random.Generator,
    start: tuple,
    end: tuple,
    half: float,
    *,
    first_free: bool = False,
) -> None:
    """Pillars along a corridor's walls: at the right only where rooms open at the left."""
    start, ahead = np.array(start), np.array(end) - np.array(start)
    length = float(np.hypot(*ahead))
    ahead = ahead / length
    across = np.array([-ahead[1], ahead[0]])
    where = half + 0.5
    while (where := where + random.uniform(0.8, 3.0)) < length - half - 0.5:
        side = -1 if first_free else random.choice([-1, 1])
        middle = start + where * ahead + side * half * across
        size = random.uniform(0.1, 0.35, 2)
        walk.pillars.append(
            (
                float(middle[0] - size[0]),
                float(middle[0] + size[0]),
                float(middle[1] - size[1]),
                float(middle[1] + size[1]),
            )
        )


def _sides(box: Rectangle) -> list:
    x0, x1, z0, z1 = box
    return [((x0, z0), (x1, z0)), ((x0, z1), (x1, z1)), ((x0, z0), (x0, z1)), ((x1, z0), (x1, z1))]


def _walls(spaces: list[Rectangle]) -> list:
    """The sides of all rectangles, less what lies within another."""
    walls = []
    for number, space in enumerate(spaces):
        others = spaces[:number] + spaces[number + 1 :]
        for (xa, za), (xb, zb) in _sides(space):
            level = za == zb
            parts = [(xa, xb)] if level else [(za, zb)]
            for x0, x1, z0, z1 in others:
                inside, cut = (z0 < za < z1, (x0, x1)) if level else (x0 < xa < x1, (z0, z1))
                if inside:
                    parts = [rest for part in parts for rest in _less(part, cut)]
            walls += [
                ((low, za), (high, za)) if level else ((xa, low), (xa, high)) for low, high in parts
            ]
    return walls


def _less(part: tuple[float, float], cut: tuple[float, float]) -> list[tuple[float, float]]:
    pieces = (part[0], min(part[1], cut[0])), (max(part[0], cut[1]), part[1])
    return [(low, high) for low, high in pieces if high > low]
