"""How well two views' cameras explain their matches, without any point in space."""

import numpy as np
import torch
from jaxtyping import Float

from glance3d.geometry.transforms import compose, invert
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.types import Cameras


def epipolar_errors(pair: VerifiedPair, cameras: Cameras) -> Float[np.ndarray, " matches"]:
    """Distance of each match from its epipolar lines, in original pixels (first-order, Sampson).

    Source: Hartley and Zisserman, "Multiple View Geometry", section 11.4.3. Distortion is ignored:
    it is far below what tells a right pose from a wrong one.
    """
    poses = cameras.cam_from_world.double()
    relative = compose(poses[pair.second], invert(poses[pair.first])).numpy()
    rotation, (x, y, z) = relative[:, :3], relative[:, 3]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    to_ray = np.linalg.inv(cameras.intrinsics[[pair.first, pair.second]].double().numpy())
    fundamental = to_ray[1].T @ cross @ rotation @ to_ray[0]
    first, second = (
        np.concatenate([pixels, np.ones((len(pixels), 1))], 1)
        for pixels in (pair.pixels_first, pair.pixels_second)
    )
    in_second, in_first = first @ fundamental.T, second @ fundamental
    gradient = (in_second[:, :2] ** 2).sum(1) + (in_first[:, :2] ** 2).sum(1)
    distance = np.abs((second * in_second).sum(1)) / np.sqrt(np.maximum(gradient, 1e-20))
    # Cameras at one place have no epipolar lines, and explain nothing.
    return np.where(gradient > 1e-20, distance, np.inf)


def view_epipolar_errors(graph: ViewGraph, cameras: Cameras) -> list[float]:
    """The median error over all matches of each view; infinite for a view without any."""
    errors: list[list[np.ndarray]] = [[] for _ in range(graph.num_views)]
    for pair in graph.pairs:
        found = epipolar_errors(pair, cameras)
        errors[pair.first].append(found)
        errors[pair.second].append(found)
    return [float(np.median(np.concatenate(own))) if own else float("inf") for own in errors]


def as_double(cameras: Cameras) -> Cameras:
    """The same cameras in float64."""
    return Cameras(
        cameras.cam_from_world.double(),
        cameras.intrinsics.double(),
        cameras.image_sizes,
        cameras.radial,
        cameras.camera_ids,
    )


def pixel_unit(cameras: Cameras) -> float:
    """A pixel's worth at this scene's size: the mean diagonal over a thousand."""
    return float(torch.linalg.norm(cameras.image_sizes.double(), dim=-1).mean()) / 1000
