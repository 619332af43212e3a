"""Cameras that are known beforehand, on their way into a network and out of it.

A network that takes cameras is shown them in the first one's frame, at a unit of length that it is
used to. What it predicts has a unit of its own: a similarity from the given cameras to the
predicted ones says which, and the given cameras come out again. Source: the published interface of
Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.robust_similarity import (
    estimate_robust_pose_similarity,
    root_mean_square_spread,
)
from glance3d.geometry.similarity import Similarity, estimate_similarity
from glance3d.geometry.transforms import compose, invert
from glance3d.types import Cameras, Predictions

_LEAST_UNIT = 0.1
_VIEWS_FOR_RANSAC = 10
_DRAWS, _SEED = 10, 42
_LEAST_INLIERS = 3
# Of the largest coordinate: cameras that are closer together stand at one place, but for rounding.
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class GivenFit:
    """``predicted_from_given``: given cameras moved to where a network predicts them.

    Its ``scale`` is what predicted lengths are divided by to be in the unit of the given cameras.
    ``disagreement`` is the median distance between the two after the fit, as a share of the
    predicted cameras' spread (root mean square).
    """

    predicted_from_given: Similarity
    disagreement: float


def normalise_given(
    cam_from_world: Float[Tensor, "*batch views 3 4"],
) -> Float[Tensor, "*batch views 3 4"]:
    """The same cameras as the network is shown them: in the first one's frame, at its unit.

    The unit is the median of the centres' distances from the first (which counts as well; the lower
    one of two in the middle), but at least 0.1 of the given one. In float64.
    """
    given = cam_from_world.double()
    from_first = compose(given, invert(given[..., :1, :, :]))
    distances = camera_centers(from_first).norm(dim=-1)
    unit = distances.median(-1).values.clamp(min=_LEAST_UNIT)[..., None, None, None]
    scaled = torch.cat([from_first[..., :3], from_first[..., 3:] / unit], -1)
    return scaled.to(cam_from_world.dtype)


def with_given(predictions: Predictions, given: Cameras) -> tuple[Predictions, GivenFit | None]:
    """The predictions of one scene with these cameras as its own, and how far they had differed.

    ``given`` are on the network's grid. Depth is divided by the scale that :func:`fit_given` tells;
    where it tells none, depth keeps the network's own unit. Points move into the given world.
    """
    predicted = predictions.cameras()[0]
    fit = fit_given(given.cam_from_world, predicted[0])
    scale = 1.0 if fit is None else fit.predicted_from_given.scale
    depth, points, ray = predictions.depth, predictions.points_world, predictions.ray
    if points is not None or ray is not None:
        # By the rotations too: centres on a line would leave a turn about it open.
        poses = predicted[0].detach().cpu(), given.cam_from_world.cpu()
        moved = estimate_robust_pose_similarity(*poses, scale=1 / scale).target_from_source
        points = None if points is None else moved.transform_points(points)
        ray = None if ray is None else _rays_moved(ray, moved)
    return replace(
        predictions,
        pose_enc=None,
        pose_enc_iterations=None,
        cam_from_world=given.cam_from_world[None].to(predicted),
        intrinsics=given.intrinsics[None].to(predicted),
        depth=None if depth is None else depth / scale,
        points_world=points,
        ray=ray,
    ), fit


def _rays_moved(
    ray: Float[Tensor, "batch views rows columns 6"], moved: Similarity
) -> Float[Tensor, "batch views rows columns 6"]:
    """Directions, which depth is along, turn; origins turn, move and are scaled."""
    direction, origin = ray.split(3, dim=-1)
    turned = direction @ moved.rotation.to(ray).transpose(-1, -2)
    return torch.cat([turned, moved.transform_points(origin)], -1)


def fit_given(
    given: Float[Tensor, "views 3 4"], predicted: Float[Tensor, "views 3 4"]
) -> GivenFit | None:
    """The similarity from given cameras to predicted ones, by their centres, in float64.

    Both are ``cam_from_world``. From ten views on by RANSAC, whose draws are always the same. None
    where no scale can be told: one view, cameras at one place, or no finite numbers.
    """
    source, target = (camera_centers(cameras.double().cpu()) for cameras in (given, predicted))
    if not (_are_apart(source) and _are_apart(target)):
        return None
    similarity = estimate_similarity(source, target)
    if len(source) >= _VIEWS_FOR_RANSAC:
        similarity = _consensus(source, target, similarity)
    if not similarity.scale > 0:
        return None
    distances = (similarity.transform_points(source) - target).norm(dim=-1)
    return GivenFit(similarity, float(distances.median()) / root_mean_square_spread(target))


def _are_apart(centres: Float[Tensor, "views 3"]) -> bool:
    if not bool(centres.isfinite().all()):
        return False
    return root_mean_square_spread(centres) > _LEAST_SPREAD * float(centres.abs().max())


def _consensus(
    source: Float[Tensor, "views 3"], target: Float[Tensor, "views 3"], first: Similarity
) -> Similarity:
    """The fit to the inliers of the draw that has most, and then the least mean error.

    A centre is an inlier if it comes closer to its target than the first fit's centres come, in the
    median, to the target that is nearest to each. The first fit stands if the draw's are at one
    place.
    """
    nearest = torch.cdist(first.transform_points(source), target).amin(-1)
    threshold = float(nearest.quantile(0.5))
    best, best_rank = None, (-1, 0.0)
    for draw in _draws(len(source)):
        errors = (_fit(source, target, draw).transform_points(source) - target).norm(dim=-1)
        inliers = (errors < threshold).nonzero().squeeze(-1)
        rank = len(inliers), -float(errors[inliers].mean()) if len(inliers) else 0.0
        if rank > best_rank:
            best, best_rank = inliers if len(inliers) >= _LEAST_INLIERS else draw, rank
    assert best is not None
    return _fit(source, target, best) if _are_apart(source[best]) else first


def _fit(
    source: Float[Tensor, "views 3"], target: Float[Tensor, "views 3"], views: Int[Tensor, " some"]
) -> Similarity:
    return estimate_similarity(source[views], target[views])


def _draws(num_views: int) -> list[Int[Tensor, " half"]]:
    """The published draws, by NumPy's generator."""
    random = np.random.default_rng(_SEED)
    half = (num_views + 1) // 2
    return [torch.from_numpy(random.choice(num_views, half, replace=False)) for _ in range(_DRAWS)]
