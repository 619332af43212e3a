"""Which poses the photos confirm: two-view geometry against a guess.

A pair agrees where the essential matrix of its matches, estimated from nothing but pixels and
intrinsics, turns and points as the guess does. The largest group of views that agreeing pairs
connect is confirmed; everybody else is registered again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.transforms import compose, invert, rotation_angle
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.refinement.matching.camera_models import build_colmap_camera
from glance3d.refinement.pycolmap_interface import import_pycolmap, pose_from_rigid
from glance3d.types import Cameras

_MIN_MATCHES = 30
_MAX_ROTATION_DEG = 8.0
_MAX_DIRECTION_DEG = 25.0
# With less parallax than this the direction between two views is not measured.
_MIN_PARALLAX_DEG = 2.0


@dataclass(frozen=True)
class PoseVerification:
    """What the photos say of a guess, view by view.

    ``confirmed`` views form one connected group; ``contradicted`` ones have pairs enough and
    disagree with most of them.
    """

    confirmed: tuple[int, ...]
    contradicted: tuple[int, ...]
    num_agreeing_pairs: int
    num_pairs: int


def verify_poses(
    graph: ViewGraph, cameras: Cameras, views: Sequence[int], seed: int = 0
) -> PoseVerification:
    """Hold the poses of ``views`` against the two-view geometry between them."""
    own = set(views)
    pairs = [
        pair
        for pair in graph.pairs
        if len(pair) >= _MIN_MATCHES and not pair.flat and {pair.first, pair.second} <= own
    ]
    agrees = [_agrees(pair, cameras, seed) for pair in pairs]
    edges = [(p.first, p.second) for p, agree in zip(pairs, agrees, strict=True) if agree]
    confirmed = _largest_component(edges)
    contradicted = []
    for view in views:
        votes = [a for p, a in zip(pairs, agrees, strict=True) if view in (p.first, p.second)]
        if votes and view not in confirmed and sum(votes) * 2 < len(votes):
            contradicted.append(view)
    return PoseVerification(tuple(sorted(confirmed)), tuple(contradicted), len(edges), len(pairs))


def _agrees(pair: VerifiedPair, cameras: Cameras, seed: int) -> bool:
    measured = _measured_pose(pair, cameras, seed)
    if measured is None:
        return False
    poses = cameras.cam_from_world.double()
    guessed = compose(poses[pair.second], invert(poses[pair.first]))
    pose, parallax = measured
    if torch.rad2deg(rotation_angle(guessed[:, :3], pose[:, :3])) > _MAX_ROTATION_DEG:
        return False
    if parallax < _MIN_PARALLAX_DEG:
        return True
    cosine = torch.nn.functional.cosine_similarity(guessed[:, 3], pose[:, 3], dim=0)
    return bool(torch.rad2deg(cosine.clamp(-1, 1).acos()) < _MAX_DIRECTION_DEG)


def _measured_pose(
    pair: VerifiedPair, cameras: Cameras, seed: int
) -> tuple[Float[Tensor, "3 4"], float] | None:
    """The second view's pose in the first one's frame, and the parallax in degrees."""
    pycolmap = import_pycolmap()
    sizes = cameras.image_sizes.tolist()
    first, second = (
        build_colmap_camera(tuple(sizes[view]), 1.0, "pinhole", known=cameras.intrinsics[view])
        for view in (pair.first, pair.second)
    )
    matches = np.arange(len(pair), dtype=np.uint32)[:, None].repeat(2, axis=1)
    options = pycolmap.TwoViewGeometryOptions()
    options.compute_relative_pose = True
    options.ransac.random_seed = seed
    geometry = pycolmap.estimate_calibrated_two_view_geometry(
        first, pair.pixels_first, second, pair.pixels_second, matches, options
    )
    if geometry.cam2_from_cam1 is None or len(geometry.inlier_matches) < len(pair) / 2:
        return None
    return pose_from_rigid(geometry.cam2_from_cam1), math.degrees(geometry.tri_angle)


def _largest_component(edges: Sequence[tuple[int, int]]) -> set[int]:
    """The largest connected set of views; of equal ones, that with the earliest view."""
    components: list[set[int]] = []
    for edge in edges:
        touching = [c for c in components if c & set(edge)]
        components = [c for c in components if not c & set(edge)]
        components.append(set(edge).union(*touching))
    return max(components, key=lambda c: (len(c), -min(c)), default=set())
