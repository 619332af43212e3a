"""Matches of photos of one model with photos of another, and how far a similarity misses them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.geometry.similarity import Similarity
from glance3d.geometry.transforms import compose, invert, transform_points
from glance3d.multiview.two_view import epipolar_terms, essential_matrix
from glance3d.refinement.pycolmap_interface import pose_from_rigid

_NO_GRADIENT = 1e-20
Matches = Mapping[tuple[int, int], Int[np.ndarray, "_matches 2"]]


class CrossMatches(NamedTuple):
    """Matches of photos of a model a with photos of a model b, row by row; float64.

    ``pair`` numbers the pair of photos. ``pixels_*`` are in the photos, ``pose_*`` and ``matrix_*``
    these photos' poses in the models' own worlds, and intrinsics; ``world_*`` are the points that
    the models have there, NaN without one.
    """

    pair: Int[Tensor, " matches"]
    pixels_a: Float[Tensor, "matches 2"]
    pixels_b: Float[Tensor, "matches 2"]
    pose_a: Float[Tensor, "matches 3 4"]
    pose_b: Float[Tensor, "matches 3 4"]
    matrix_a: Float[Tensor, "matches 3 3"]
    matrix_b: Float[Tensor, "matches 3 3"]
    world_a: Float[Tensor, "matches 3"]
    world_b: Float[Tensor, "matches 3"]

    def only(self, kept: Tensor) -> "CrossMatches":
        """Some of the rows."""
        return CrossMatches(*(part[kept] for part in self))


class PlacedPhoto(NamedTuple):
    """A photo of a model: its pose in the world, intrinsics, features and their points.

    ``world`` is NaN for features without a point.
    """

    pose: Float[Tensor, "3 4"]
    matrix: Float[Tensor, "3 3"]
    pixels: Float[Tensor, "features 2"]
    world: Float[Tensor, "features 3"]


def placed_photos(model: Any, world_from_model: Similarity) -> dict[int, PlacedPhoto]:
    """The photos of a COLMAP model in another world, by image id."""
    positions = {
        point_id: world_from_model.transform_points(torch.from_numpy(np.array(point.xyz)))
        for point_id, point in model.points3D.items()
    }
    nowhere = torch.full((3,), torch.nan, dtype=torch.float64)
    photos = {}
    for image_id in model.reg_image_ids():
        image = model.image(image_id)
        pose = world_from_model.transform_cameras(pose_from_rigid(image.cam_from_world())[None])[0]
        features = image.points2D
        pixels = np.array([feature.xy for feature in features]).reshape(-1, 2)
        world = [positions.get(feature.point3D_id, nowhere) for feature in features]
        matrix = torch.tensor(model.camera(image.camera_id).calibration_matrix()).double()
        photos[image_id] = PlacedPhoto(pose, matrix, torch.from_numpy(pixels), torch.stack(world))
    return photos


def cross_matches(
    a: Mapping[int, PlacedPhoto], b: Mapping[int, PlacedPhoto], matches: Matches
) -> CrossMatches | None:
    """All matches of photos of a with photos of b that a does not have; None without any."""
    parts = []
    for (i, j), rows in _both_ways(matches):
        if i not in a or j not in b or j in a or not len(rows):
            continue
        photos, own = (a[i], b[j]), torch.from_numpy(np.ascontiguousarray(rows))
        count = len(own)
        sides = [
            (
                photo.pixels[own[:, side]],
                photo.pose.expand(count, 3, 4),
                photo.matrix.expand(count, 3, 3),
                photo.world[own[:, side]],
            )
            for side, photo in enumerate(photos)
        ]
        parts.append([torch.full((count,), len(parts)), *_alternating(sides)])
    if not parts:
        return None
    return CrossMatches(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _both_ways(matches: Matches) -> Iterable[tuple[tuple[int, int], np.ndarray]]:
    for (first, second), rows in matches.items():
        yield (first, second), rows
        yield (second, first), rows[:, ::-1]


def _alternating(sides: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """First of both, then second of both, and so on."""
    return [part for column in zip(*sides, strict=True) for part in column]


def epipolar_distances(cross: CrossMatches, a_from_b: Similarity) -> Float[Tensor, " matches"]:
    """Signed first-order (Sampson) distances in pixels; infinite for cameras at one place."""
    pose_b = a_from_b.transform_cameras(cross.pose_b)
    b_from_a = compose(pose_b, invert(cross.pose_a))
    essential = essential_matrix(b_from_a[:, :, :3], b_from_a[:, :, 3])
    # F = K_b^-T E K_a^-1, so that y^T F x = 0 for homogeneous pixels.
    fundamental = torch.linalg.inv(cross.matrix_b).mT @ essential
    fundamental = fundamental @ torch.linalg.inv(cross.matrix_a)
    x, y = (homogeneous_pixels(pixels)[:, None] for pixels in (cross.pixels_a, cross.pixels_b))
    terms = epipolar_terms(fundamental, x, y)
    gradient = terms.squared_gradient[:, 0]
    distance = terms.algebraic[:, 0] / gradient.clamp(min=_NO_GRADIENT).sqrt()
    return torch.where(gradient > _NO_GRADIENT, distance, torch.inf)


def point_offsets(
    cross: CrossMatches, a_from_b: Similarity
) -> tuple[Float[Tensor, "of_a 2"], Float[Tensor, "of_b 2"]]:
    """Where either model's points fall in the other's photos, less where these see them."""
    in_a, in_b = (world.isfinite().all(-1) for world in (cross.world_a, cross.world_b))
    moved_a = a_from_b.inverse().transform_points(cross.world_a[in_a])
    moved_b = a_from_b.transform_points(cross.world_b[in_b])
    return (
        _project(cross.matrix_b[in_a], cross.pose_b[in_a], moved_a) - cross.pixels_b[in_a],
        _project(cross.matrix_a[in_b], cross.pose_a[in_b], moved_b) - cross.pixels_a[in_b],
    )


def _project(matrix: Tensor, pose: Tensor, world: Tensor) -> Float[Tensor, "points 2"]:
    """Pixels; far outside every photo for points behind the camera."""
    image = (matrix @ transform_points(pose, world[:, None]).mT)[..., 0]
    depth = image[:, 2:]
    return torch.where(depth > 0, image[:, :2] / depth.clamp(min=1e-9), 1e6)


def homogeneous_pixels(pixels: Float[Tensor, "matches 2"]) -> Float[Tensor, "matches 3"]:
    """Pixels with a one behind them."""
    return torch.cat([pixels, torch.ones_like(pixels[:, :1])], -1)
