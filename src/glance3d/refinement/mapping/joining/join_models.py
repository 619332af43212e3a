"""Models of one scene joined: a similarity between points that both of them have.

The mapper begins anew where no photo can be added, and gives several models. Points of two models
are the same where a feature has a point in both, or where two verified matches have one each. The
similarity that most of them agree on (RANSAC over three points, as in Umeyama, PAMI 1991) moves the
smaller model to the larger, or that on which pairs of photos agree; all its photos are then a start
for a mapping of the whole.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.geometry.similarity import Similarity, estimate_similarity, identity_similarity
from glance3d.refinement.mapping.joining.cross_matches import (
    PlacedPhoto,
    cross_matches,
    placed_photos,
)
from glance3d.refinement.mapping.joining.pair_links import similarity_of_pairs
from glance3d.refinement.matching.database import open_database
from glance3d.refinement.pycolmap_interface import import_pycolmap, pose_from_rigid

# Points that must agree: as many as hold a photo, and their share of all that both models have.
_MIN_AGREEING = 15
_MIN_SHARE = 0.25
_SAMPLES = 300
_MOST_POINTS = 1000
_REFITS = 4


class SharedPoints(NamedTuple):
    """Points that two models have in common, each as one photo of either model sees it.

    ``world_*`` are in the models' own worlds, ``pixel_*`` in the photos that saw them, with those
    photos' ``projection_*``: intrinsics times pose.
    """

    world_a: Float[Tensor, "points 3"]
    world_b: Float[Tensor, "points 3"]
    pixel_a: Float[Tensor, "points 2"]
    pixel_b: Float[Tensor, "points 2"]
    projection_a: Float[Tensor, "points 3 4"]
    projection_b: Float[Tensor, "points 3 4"]


def join_models(
    models: Sequence[Any], database: Path, tolerance: float, seed: int
) -> dict[int, Float[Tensor, "3 4"]]:
    """Poses by image id in the first model's world, of it and all models that can be joined to it.

    ``tolerance`` is in pixels. Models are COLMAP's, the largest first.
    """
    matches = _read_matches(database)
    poses = _poses(models[0])
    group, waiting = [(models[0], identity_similarity())], list(models[1:])
    num_waiting = len(waiting) + 1
    while len(waiting) < num_waiting:  # as long as another one was joined
        num_waiting = len(waiting)
        for model in list(waiting):
            if set(model.reg_image_ids()) <= poses.keys():
                continue
            world_from_model = _join(group, model, matches, tolerance, seed)
            if world_from_model is None:
                continue
            waiting.remove(model)
            group.append((model, world_from_model))
            for image_id, pose in _poses(model).items():
                poses.setdefault(image_id, world_from_model.transform_cameras(pose[None])[0])
    return poses


def _join(
    group: Sequence[tuple[Any, Similarity]],
    model: Any,
    matches: dict[tuple[int, int], Int[np.ndarray, "_matches 2"]],
    tolerance: float,
    seed: int,
) -> Similarity | None:
    """``world_from_model`` by the model of the group with which it agrees on most points.

    Where it agrees with none, by pairs of its photos and the group's.
    """
    best, most = None, 0
    for other, world_from_other in group:
        shared = shared_points(other, model, matches)
        if shared is None:
            continue
        solved = agreeing_similarity(shared, tolerance, seed)
        if solved is not None and solved[1] > most:
            best, most = world_from_other.compose(solved[0]), solved[1]
    return _join_by_pairs(group, model, matches, tolerance, seed) if best is None else best


def _join_by_pairs(
    group: Sequence[tuple[Any, Similarity]],
    model: Any,
    matches: dict[tuple[int, int], Int[np.ndarray, "_matches 2"]],
    tolerance: float,
    seed: int,
) -> Similarity | None:
    placed: dict[int, PlacedPhoto] = {}
    for other, world_from_other in group:
        placed = placed_photos(other, world_from_other) | placed
    cross = cross_matches(placed, placed_photos(model, identity_similarity()), matches)
    solved = None if cross is None else similarity_of_pairs(cross, tolerance / 2, seed)
    return None if solved is None else solved[0]


def agreeing_similarity(
    shared: SharedPoints, tolerance: float, seed: int
) -> tuple[Similarity, int] | None:
    """``a_from_b`` that most shared points agree on, and how many; None where too few do."""
    count = len(shared.world_a)
    if count < _MIN_AGREEING:
        return None
    generator = torch.Generator().manual_seed(seed)
    samples = torch.rand(_SAMPLES, count, generator=generator).topk(3, -1).indices
    best = max(
        (_sample_similarity(shared, sample) for sample in samples),
        key=lambda similarity: int(agreeing_points(shared, similarity, 2 * tolerance).sum()),
    )
    for _ in range(_REFITS):
        agree = agreeing_points(shared, best, 2 * tolerance)
        if int(agree.sum()) < _MIN_AGREEING:
            return None
        best = estimate_similarity(shared.world_b[agree], shared.world_a[agree])
    agreeing = int(agreeing_points(shared, best, 2 * tolerance).sum())
    if agreeing < max(_MIN_AGREEING, _MIN_SHARE * count):
        return None
    return best, agreeing


def _sample_similarity(shared: SharedPoints, sample: Int[Tensor, "3"]) -> Similarity:
    return estimate_similarity(shared.world_b[sample], shared.world_a[sample])


def agreeing_points(
    shared: SharedPoints, a_from_b: Similarity, tolerance: float
) -> Bool[Tensor, " points"]:
    """Which points, moved to the other model, fall on the pixel that saw them there, both ways."""
    in_a = _project(shared.projection_a, a_from_b.transform_points(shared.world_b))
    in_b = _project(shared.projection_b, a_from_b.inverse().transform_points(shared.world_a))
    error = torch.maximum(
        (in_a - shared.pixel_a).norm(dim=-1), (in_b - shared.pixel_b).norm(dim=-1)
    )
    return error < tolerance


def _project(
    projections: Float[Tensor, "points 3 4"], world: Float[Tensor, "points 3"]
) -> Float[Tensor, "points 2"]:
    """Pixels; far outside every photo for points behind the camera."""
    image = (projections[..., :3] @ world[..., None])[..., 0] + projections[..., 3]
    depth = image[..., 2:]
    return torch.where(depth > 0, image[..., :2] / depth.clamp(min=1e-9), 1e9)


def shared_points(
    model_a: Any, model_b: Any, matches: dict[tuple[int, int], Int[np.ndarray, "_matches 2"]]
) -> SharedPoints | None:
    """What two models have in common; None where they have nothing."""
    a, b = _point_ids(model_a), _point_ids(model_b)
    same = {
        (image_id, image_id): np.arange(len(a[image_id]))[:, None].repeat(2, 1)
        for image_id in a.keys() & b.keys()
    }
    turned = {(second, first): own[:, ::-1] for (first, second), own in matches.items()}
    rows = [np.zeros((0, 6), np.int64)]
    for (i, j), own in (matches | turned | same).items():
        if i in a and j in b:
            points = np.stack([a[i][own[:, 0]], b[j][own[:, 1]]], 1)
            kept = (points >= 0).all(1)
            images = np.broadcast_to([i, j], (int(kept.sum()), 2))
            rows.append(np.concatenate([points[kept], images, own[kept]], 1))
    # One row for each two points: point ids, image ids, feature numbers.
    table = np.concatenate(rows)
    table = table[np.unique(table[:, :2], axis=0, return_index=True)[1]][:_MOST_POINTS]
    if not len(table):
        return None
    sides = [_observed(model, table[:, side::2]) for side, model in enumerate((model_a, model_b))]
    return SharedPoints(*(part for pair in zip(*sides, strict=True) for part in pair))


def _observed(model: Any, rows: Int[np.ndarray, "points 3"]) -> tuple[Tensor, Tensor, Tensor]:
    """Positions, pixels and projections of rows of point, image and feature."""
    projections = {}
    for image_id in set(rows[:, 1].tolist()):
        image = model.image(image_id)
        matrix = torch.tensor(model.camera(image.camera_id).calibration_matrix()).double()
        projections[image_id] = matrix @ pose_from_rigid(image.cam_from_world())
    world = np.stack([model.point3D(point).xyz for point in rows[:, 0].tolist()])
    pixels = np.stack([model.image(i).points2D[k].xy for i, k in rows[:, 1:].tolist()])
    of_rows = torch.stack([projections[image_id] for image_id in rows[:, 1].tolist()])
    return torch.from_numpy(world), torch.from_numpy(pixels), of_rows


def _point_ids(model: Any) -> dict[int, Int[np.ndarray, " features"]]:
    """By image with a pose, the point of every feature, -1 for none."""
    ids = {}
    for image_id in model.reg_image_ids():
        points = model.image(image_id).points2D
        ids[image_id] = np.array(
            [point.point3D_id if point.has_point3D() else -1 for point in points], np.int64
        )
    return ids


def _poses(model: Any) -> dict[int, Float[Tensor, "3 4"]]:
    return {i: pose_from_rigid(model.image(i).cam_from_world()) for i in model.reg_image_ids()}


def _read_matches(database: Path) -> dict[tuple[int, int], Int[np.ndarray, "_matches 2"]]:
    """The verified matches of all pairs, by image ids."""
    pycolmap = import_pycolmap()
    with open_database(database) as content:
        return {
            pycolmap.pair_id_to_image_pair(pair_id): np.asarray(geometry.inlier_matches)
            .reshape(-1, 2)
            .astype(np.int64)
            for pair_id, geometry in zip(*content.read_two_view_geometries(), strict=True)
        }
