"""Models joined by pairs of photos across, where they have hardly a point in common.

The essential matrix of a pair gives the rotation between both models and the direction between its
photos, not how far they are apart. Where a match has a point in one model, the point's depth there
over its depth in baselines of the pair is the baseline's length in that model's unit: one pair with
points of either model gives a whole similarity though no match has points of both. Two pairs give
it without any point, by where their directions meet. The similarity that explains most matches is
adjusted to all of them at once, and believed where several pairs agree on it.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.rotations import nearest_rotation, rotation_angle, so3_exp
from glance3d.geometry.similarity import Similarity
from glance3d.geometry.transforms import compose, transform_points
from glance3d.refinement.mapping.joining.cross_matches import (
    CrossMatches,
    epipolar_distances,
    homogeneous_pixels,
    point_offsets,
)
from glance3d.refinement.pycolmap_interface import import_pycolmap, pose_from_rigid

# Of a pair: fewer matches give no relative pose, more say nothing new.
_FEWEST, _MOST = 15, 200
_FEWEST_DEPTHS = 4
_MOST_SAMPLES = 1000
# Two pairs that are to give a similarity together: rotations that differ by no more, in degrees.
_ROTATIONS_AGREE = 10.0
_MOST_COMBINATIONS = 150
# A pair is explained if so many of its matches are; of all matches across, so many must be.
_PAIR_SHARE, _ALL_SHARE = 0.6, 0.6
# Three pairs, or two with so many points that fall where the other model's photos see them.
_ENOUGH_PAIRS, _ENOUGH_POINTS = 3, 15
_POINT_SHARE = 0.5


class RelativePose(NamedTuple):
    """Of a pair's photo in b from its photo in a, up to the length of its translation."""

    matches: CrossMatches
    b_from_a: Float[Tensor, "3 4"]


def similarity_of_pairs(
    cross: CrossMatches, tolerance: float, seed: int
) -> tuple[Similarity, int] | None:
    """``a_from_b`` that several pairs agree on, and how many matches it explains; None without.

    ``tolerance`` is in pixels.
    """
    counts = torch.bincount(cross.pair)
    pairs = counts.argsort(descending=True, stable=True)
    pairs = pairs[counts[pairs] >= _FEWEST].tolist()
    few = [(cross.pair == pair).nonzero().squeeze(1) for pair in pairs]
    if not few:
        return None
    # Evenly over a pair's matches, so that none outvotes the others.
    few = [rows[:: -(-len(rows) // _MOST)] for rows in few]
    cross = cross.only(torch.cat(few))
    posed = [_relative_pose(cross.only(cross.pair == pair), tolerance, seed) for pair in pairs]
    poses = [pose for pose in posed if pose is not None]
    candidates = [*_by_one_pair(poses), *_by_two_pairs(poses)]
    if not candidates:
        return None
    best = max(candidates, key=lambda similarity: _score(cross, similarity, tolerance))
    best = _adjusted(cross, best, tolerance)
    return _believed(cross, best, tolerance)


def _rays(matrix: Tensor, pixels: Tensor) -> Float[Tensor, "matches 3"]:
    """Directions in the camera's frame, at depth 1."""
    return (torch.linalg.inv(matrix) @ homogeneous_pixels(pixels)[..., None])[..., 0]


def _relative_pose(matches: CrossMatches, tolerance: float, seed: int) -> RelativePose | None:
    pycolmap = import_pycolmap()
    options = pycolmap.RANSACOptions()
    options.max_error, options.max_num_trials, options.random_seed = tolerance, _MOST_SAMPLES, seed
    cameras = [_pinhole(matrix[0]) for matrix in (matches.matrix_a, matches.matrix_b)]
    solved = pycolmap.estimate_relative_pose(
        cameras[0], matches.pixels_a.numpy(), cameras[1], matches.pixels_b.numpy(), options
    )
    if solved is None or solved["num_inliers"] < _FEWEST:
        return None
    inliers = torch.from_numpy(np.array(solved["inlier_mask"], bool))
    return RelativePose(matches.only(inliers), pose_from_rigid(solved["cam2_from_cam1"]))


def _pinhole(matrix: Float[Tensor, "3 3"]) -> object:
    fx, fy, cx, cy = matrix[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    size = round(2 * cx), round(2 * cy)
    return import_pycolmap().Camera(
        model="PINHOLE", width=size[0], height=size[1], params=[fx, fy, cx, cy]
    )


def _by_one_pair(poses: list[RelativePose]) -> Iterator[Similarity]:
    """From each pair whose matches have points of both models."""
    for matches, b_from_a in poses:
        lengths = _baselines(matches, b_from_a)
        if lengths is None:
            continue
        length, scale = lengths[0], lengths[0] / lengths[1]
        # The photo of b in a's world, and b's world from where the photo is there.
        in_a = compose(torch.cat([b_from_a[:, :3], length * b_from_a[:, 3:]], 1), matches.pose_a[0])
        in_b = matches.pose_b[0]
        rotation = in_a[:, :3].T @ in_b[:, :3]
        shift = in_a[:, :3].T @ (scale * in_b[:, 3] - in_a[:, 3])
        yield Similarity(scale, rotation, shift)


def _baselines(matches: CrossMatches, b_from_a: Float[Tensor, "3 4"]) -> tuple[float, float] | None:
    """How long the pair's baseline is in either model's unit."""
    rotation, direction = b_from_a[:, :3], b_from_a[:, 3]
    # z_a R x_a + t = z_b x_b; crossed with either ray one depth drops out.
    n = _rays(matches.matrix_a, matches.pixels_a) @ rotation.T
    x_b = _rays(matches.matrix_b, matches.pixels_b)
    normal, t = torch.linalg.cross(n, x_b), direction.expand_as(n)
    squared = normal.square().sum(-1).clamp(min=1e-12)
    depth_a = -(torch.linalg.cross(t, x_b) * normal).sum(-1) / squared
    depth_b = (torch.linalg.cross(n, t) * normal).sum(-1) / squared
    in_front = (depth_a > 0) & (depth_b > 0)
    lengths = []
    for world, pose, depth in (
        (matches.world_a, matches.pose_a, depth_a),
        (matches.world_b, matches.pose_b, depth_b),
    ):
        known = transform_points(pose, world[:, None])[:, 0, 2] / depth
        known = known[in_front & known.isfinite() & (known > 0)]
        if len(known) < _FEWEST_DEPTHS:
            return None
        lengths.append(float(known.median()))
    return lengths[0], lengths[1]


def _by_two_pairs(poses: list[RelativePose]) -> Iterator[Similarity]:
    """From each two pairs whose rotations agree: the scale and shift with which directions meet."""
    for first, second in list(combinations(poses, 2))[:_MOST_COMBINATIONS]:
        turns, rows, sides = [], [], []
        for matches, b_from_a in (first, second):
            rotation_a, rotation_b = matches.pose_a[0, :, :3], matches.pose_b[0, :, :3]
            turns.append(rotation_a.T @ b_from_a[:, :3].T @ rotation_b)
        if float(rotation_angle(*turns)) > np.radians(_ROTATIONS_AGREE):
            continue
        rotation = nearest_rotation(turns[0] + turns[1])
        for matches, b_from_a in (first, second):
            center_a, center_b = (_center(pose[0]) for pose in (matches.pose_a, matches.pose_b))
            # From a's photo to b's in a's world: the centre of b as seen by a's camera.
            direction = matches.pose_a[0, :, :3].T @ _center(b_from_a)
            across = _cross_matrix(direction)
            # d x (s R c_b + t - c_a) = 0, linear in s and t.
            rows.append(torch.cat([(across @ rotation @ center_b)[:, None], across], 1))
            sides.append(across @ center_a)
        solved = torch.linalg.lstsq(torch.cat(rows), torch.cat(sides)[:, None]).solution[:, 0]
        if float(solved[0]) > 0:
            yield Similarity(float(solved[0]), rotation, solved[1:])


def _center(pose: Float[Tensor, "3 4"]) -> Float[Tensor, "3"]:
    return -pose[:, :3].T @ pose[:, 3]


def _cross_matrix(v: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    x, y, z = v.tolist()
    return v.new_tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def _explained(
    cross: CrossMatches, a_from_b: Similarity, tolerance: float
) -> tuple[Bool[Tensor, " matches"], Bool[Tensor, " of_a"], Bool[Tensor, " of_b"]]:
    """Which matches are near their epipolar lines, and which points fall where they are seen."""
    near = epipolar_distances(cross, a_from_b).abs() < tolerance
    of_a, of_b = (
        offsets.norm(dim=-1) < 2 * tolerance for offsets in point_offsets(cross, a_from_b)
    )
    return near, of_a, of_b


def _score(cross: CrossMatches, a_from_b: Similarity, tolerance: float) -> int:
    return sum(int(own.sum()) for own in _explained(cross, a_from_b, tolerance))


def _adjusted(cross: CrossMatches, start: Similarity, tolerance: float) -> Similarity:
    """The similarity that misses all matches least, under a loss that wrong ones hardly move."""
    from scipy.optimize import least_squares

    middle = torch.stack([_center(pose) for pose in cross.pose_b.unique(dim=0)]).mean(0)
    place = start.transform_points(middle)
    unit = float((_centers(cross.pose_a) - place).norm(dim=-1).mean())

    def moved(x: np.ndarray) -> Similarity:
        step = torch.from_numpy(x)
        rotation = so3_exp(step[:3]) @ start.rotation
        scale = start.scale * float(step[3].exp())
        # About the middle of b's photos, so that turning and scaling leave their place.
        return Similarity(scale, rotation, place + unit * step[4:] - scale * (rotation @ middle))

    def misses(x: np.ndarray) -> np.ndarray:
        similarity = moved(x)
        distances = epipolar_distances(cross, similarity).clamp(-1e3, 1e3)
        offsets = torch.cat(point_offsets(cross, similarity)).clamp(-1e3, 1e3) / 2
        return torch.cat([distances, offsets.flatten()]).numpy()

    solved = least_squares(misses, np.zeros(7), loss="cauchy", f_scale=tolerance / 2, max_nfev=30)
    return moved(solved.x)


def _centers(poses: Float[Tensor, "matches 3 4"]) -> Float[Tensor, "matches 3"]:
    return -(poses[:, :, :3].mT @ poses[:, :, 3:])[..., 0]


def _believed(
    cross: CrossMatches, a_from_b: Similarity, tolerance: float
) -> tuple[Similarity, int] | None:
    near, *on_points = _explained(cross, a_from_b, tolerance)
    total = torch.bincount(cross.pair)
    explained = torch.bincount(cross.pair[near], minlength=len(total))
    num_pairs = int(((explained >= _FEWEST) & (explained >= _PAIR_SHARE * total)).sum())
    num_points = sum(int(own.sum()) for own in on_points)
    enough = num_pairs >= _ENOUGH_PAIRS or (num_pairs == 2 and num_points >= _ENOUGH_POINTS)
    if not enough or int(explained.sum()) < _ALL_SHARE * len(cross.pair):
        return None
    if any(int(own.sum()) < _POINT_SHARE * len(own) for own in on_points):
        return None
    return a_from_b, int(explained.sum())
