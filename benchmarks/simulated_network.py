"""A network that is simulated: it tells the truth of a drawn walk, with noise, drift and errors.

Every pass has a frame and a unit of its own, and drifts from one end to the other in scale and in
rotation, part of it always the same way. Shown two places that are not one, but look alike, it is
tempted to see one place: in one of several ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from benchmarks.drawn_walks import FOCAL, HEIGHT, WIDTH, Walk
from glance3d.types import Predictions

Temptation = Literal["fooled", "muddled", "unsure", "honest"]
_RUN_BREAK = 12  # views between two runs that one pass is shown
_SAME_PLACE, _SAME_YAW = 1.6, np.radians(60)


@dataclass(frozen=True)
class Drift:
    """Standard deviations: a pass of ``span`` views drifts by a share that is always the same in a
    walk, and by one of its own."""

    log_scale: tuple[float, float] = (0.03, 0.02)
    degrees: tuple[float, float] = (0.5, 0.5)
    pose_degrees: float = 0.3
    position: float = 0.01  # of the median depth
    depth: float = 0.02
    span: int = 10


@dataclass
class SimulatedNetwork:
    """:meth:`predict` of a walk; the same views in the same order give the same answer.

    ``lies`` are the views of the passes in which it was tempted.
    """

    walk: Walk
    seed: int
    tempted: Temptation = "honest"
    drift: Drift = field(default_factory=Drift)

    def __post_init__(self) -> None:
        """The truth, and this network's own habits."""
        self.cam_from_world, self.depth = self.walk.cam_from_world(), self.walk.depth()
        random = np.random.default_rng(self.seed)
        self.habit = random.normal(size=4) * [self.drift.log_scale[0], *[self.drift.degrees[0]] * 3]
        self.passes = 0
        self.lies: set[frozenset[int]] = set()

    def predict(self, views: Sequence[int]) -> Predictions:
        """What it says of these views, in the first one's frame."""
        self.passes += 1
        random = np.random.default_rng([self.seed, len(views), *views])
        order = sorted(views)
        runs = np.split(order, np.flatnonzero(np.diff(order) > _RUN_BREAK) + 1)
        poses = np.tile(np.eye(4), (len(self.walk), 1, 1))  # world from camera
        scale = np.ones(len(self.walk))
        kind = "honest" if len(runs) == 1 or self.is_one_place(*runs[:2]) else self.tempted
        if kind != "honest":
            self.lies.add(frozenset(views))
        for number, run in enumerate(runs):
            self._drift(poses, scale, run.tolist(), random)
            if number:
                self._place(poses, scale, runs[0].tolist(), run.tolist(), kind, random)
        return self._told(poses, scale, views, kind, random)

    def is_one_place(self, one: Sequence[int], two: Sequence[int]) -> bool:
        """Whether two runs of views truly look at the same."""
        places = np.array(self.walk.places)
        apart = np.linalg.norm(
            places[list(one)][:, None, :2] - places[list(two)][None, :, :2], axis=-1
        )
        turn = np.cos(places[list(one)][:, None, 2] - places[list(two)][None, :, 2])
        return bool(((apart < _SAME_PLACE) & (turn > np.cos(_SAME_YAW))).any())

    def _true(self, view: int) -> np.ndarray:
        """World from camera."""
        pose = np.eye(4)
        pose[:3] = self.cam_from_world[view].numpy()
        return np.linalg.inv(pose)

    def _drift(
        self, poses: np.ndarray, scale: np.ndarray, run: list[int], random: np.random.Generator
    ) -> None:
        """A run in the frame of its first view, with drift along it."""
        drift = self.drift
        own = random.normal(size=4) * [drift.log_scale[1], *[drift.degrees[1]] * 3]
        log_scale, *turn = (self.habit + own) / drift.span
        poses[run[0]], scale[run[0]] = np.eye(4), 1.0
        for before, view in pairwise(run):
            step = np.linalg.inv(self._true(before)) @ self._true(view)
            scale[view] = scale[before] * np.exp(log_scale * (view - before))
            step[:3, 3] *= scale[before]
            step[:3, :3] = step[:3, :3] @ Rotation.from_rotvec(np.radians(turn)).as_matrix()
            poses[view] = poses[before] @ step

    def _place(
        self,
        poses: np.ndarray,
        scale: np.ndarray,
        first: list[int],
        second: list[int],
        kind: Temptation,
        random: np.random.Generator,
    ) -> None:
        """Put the second run where this network believes it to be."""
        anchor, other = self._closest(first, second)
        relative = np.linalg.inv(self._true(anchor)) @ self._true(other)
        if kind != "honest":
            relative = self._as_twins(anchor, other)
        if kind == "unsure":
            turn = Rotation.from_rotvec([0, random.normal() * 0.8, 0]).as_matrix()
            relative[:3, :3] = turn @ relative[:3, :3]
            relative[:3, 3] += random.normal(size=3) * [1.0, 0.1, 1.0]
        relative[:3, 3] *= scale[anchor]
        unit = scale[anchor] / scale[other]
        start = poses[anchor] @ relative
        moving = np.linalg.inv(poses[other].copy())
        for view in second:
            local = moving @ poses[view]
            local[:3, 3] *= unit
            if kind == "muddled":
                shake = Rotation.from_rotvec(random.normal(size=3) * 0.2).as_matrix()
                local[:3, :3] = local[:3, :3] @ shake
                local[:3, 3] += random.normal(size=3) * 0.4
            poses[view] = start @ local
            scale[view] *= unit

    def _closest(self, first: list[int], second: list[int]) -> tuple[int, int]:
        """The views of either run that look most alike."""
        likeness = self.likeness()[first][:, second].numpy()
        one, two = np.unravel_index(likeness.argmax(), likeness.shape)
        return first[int(one)], second[int(two)]

    def _seen_at(self, view: int) -> tuple[float, float, float]:
        """Where a view seems to be: in the first of the twin rooms, if in one of them."""
        x, z, yaw = self.walk.places[view]
        if self.walk.twin[view] != 1:
            return x, z, yaw
        second, first = self.walk.room_from_world[1], self.walk.room_from_world[0]
        local = second @ [x, z, 1.0]
        heading = second[:, :2] @ [np.sin(yaw), np.cos(yaw)]
        x, z = first[:, :2].T @ (local - first[:, 2])
        sine, cosine = first[:, :2].T @ heading
        return float(x), float(z), float(np.arctan2(sine, cosine))

    def _as_twins(self, one: int, two: int) -> np.ndarray:
        """Camera one from camera two, if both rooms were one; else as if both stood together."""
        (xa, za, ya), (xb, zb, yb) = self._seen_at(one), self._seen_at(two)
        if {self.walk.twin[one], self.walk.twin[two]} != {0, 1}:
            return np.eye(4)
        relative = np.eye(4)
        relative[:3, :3] = Rotation.from_rotvec([0, yb - ya, 0]).as_matrix()
        shift = np.array([xb - xa, 0.0, zb - za])
        relative[:3, 3] = Rotation.from_rotvec([0, -ya, 0]).apply(shift)
        return relative

    def likeness(self) -> Float[Tensor, "views views"]:
        """How alike photos are: by where they seem to be, and a little at random."""
        if not hasattr(self, "_likeness"):
            seen = np.array([self._seen_at(view) for view in range(len(self.walk))])
            apart = np.linalg.norm(seen[:, None, :2] - seen[None, :, :2], axis=-1)
            turn = np.cos(seen[:, None, 2] - seen[None, :, 2]).clip(0)
            noise = np.random.default_rng(self.seed).normal(size=apart.shape) * 0.05
            values = np.exp(-((apart / 2) ** 2)) * turn + (noise + noise.T) / 2
            if self.tempted != "honest":  # corridors look alike everywhere
                in_corridor = np.array(self.walk.twin) < 0
                alike = in_corridor[:, None] & in_corridor & (turn > 0.9)
                values = np.maximum(values, np.where(alike, 0.8 + 2 * noise, 0.0))
            self._likeness = torch.from_numpy(np.maximum(values, values.T))
        return self._likeness

    def _told(
        self,
        poses: np.ndarray,
        scale: np.ndarray,
        views: Sequence[int],
        kind: Temptation,
        random: np.random.Generator,
    ) -> Predictions:
        """In the first view's frame, at a unit of its own, with noise."""
        index, drift = list(views), self.drift
        unit = float(np.exp(random.normal() * 0.5))
        median = float(self.depth[index].median())
        to_world = np.linalg.inv(poses[index[0]]) @ poses[index]
        noise = Rotation.from_rotvec(
            random.normal(size=(len(index), 3)) * np.radians(drift.pose_degrees)
        ).as_matrix()
        noise[0] = np.eye(3)
        to_world[:, :3, :3] = to_world[:, :3, :3] @ noise
        to_world[1:, :3, 3] += random.normal(size=(len(index) - 1, 3)) * drift.position * median
        to_world[:, :3, 3] *= unit
        shape = (len(index), HEIGHT, WIDTH)
        confidence = 1 + np.exp(random.normal(size=shape) * 0.5)
        errors = random.normal(size=shape) / confidence + random.normal(size=(len(index), 1, 1))
        factor = unit * scale[index][:, None, None] * np.exp(drift.depth * errors)
        confidence *= {"honest": 1.0, "fooled": 0.95, "unsure": 0.8, "muddled": 0.7}[kind]
        intrinsics = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
        return Predictions(
            (HEIGHT, WIDTH),
            cam_from_world=torch.from_numpy(np.linalg.inv(to_world)[None, :, :3]).float(),
            intrinsics=intrinsics.expand(1, len(index), 3, 3).float(),
            depth=(self.depth[index] * torch.from_numpy(factor))[None].float(),
            depth_conf=torch.from_numpy(confidence)[None].float(),
        )
