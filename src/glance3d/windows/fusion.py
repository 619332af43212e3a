"""One scene of all windows, view by view, so that memory holds the scene and one view more.

A view's camera and points are those of the first window that holds it. Its depth is fused from all
that hold it, in the world's unit: where they agree, the mean of its logarithm weighted by the
square of confidence, which the networks' losses make inverse to the expected error; where they do
not, as at the rim of an object, the most confident one, since a mean would float between two
surfaces.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.types import Predictions
from glance3d.windows.moving import moved
from glance3d.windows.passes import KEPT
from glance3d.windows.store import WindowStore
from glance3d.windows.window_graph import WindowGraph

_AGREEING = 0.1  # logarithm of depth


def fuse_windows(
    graph: WindowGraph,
    store: WindowStore,
    num_views: int,
    camera_ids: Sequence[int] | None = None,
) -> Predictions:
    """Predictions of all views in the world; ``camera_ids`` as in :func:`predict_in_windows`."""
    first = store.get(0)
    if len(graph.windows) == 1:
        return _in_order(first, graph.windows[0])
    scene: dict[str, Tensor] = {}
    for view, predictions in fused_views(graph, store):
        for name in KEPT:
            values = getattr(predictions, name)
            if values is None:
                continue
            if name not in scene:
                scene[name] = values.new_zeros((1, num_views, *values.shape[2:]))
            scene[name][0, view] = values[0, 0]
    whole = type(first)(first.image_size, **scene)
    return whole if camera_ids is None else with_shared_intrinsics(whole, camera_ids)


def _in_order(predictions: Predictions, views: Sequence[int]) -> Predictions:
    return predictions.of_views(sorted(range(len(views)), key=views.__getitem__))


def fused_views(graph: WindowGraph, store: WindowStore) -> Iterator[tuple[int, Predictions]]:
    """Each view once, with its predictions in the world."""
    held: dict[int, list[tuple[int, int]]] = {}
    for index, views in enumerate(graph.windows):
        for place, view in enumerate(views):
            held.setdefault(view, []).append((index, place))
    for view, places in held.items():
        said = [
            moved(store.get(index).of_views([place]), graph.world_from_window[index])
            for index, place in places
        ]
        yield view, _fused(said)


def _fused(said: Sequence[Predictions]) -> Predictions:
    """What several windows say of one view, in one world, as one."""
    first = said[0]
    if len(said) == 1 or first.depth is None or first.depth_conf is None:
        return first
    depths = [one.depth for one in said if one.depth is not None]
    confidences = [one.depth_conf for one in said if one.depth_conf is not None]
    depth, confidence = fuse_depth(torch.stack(depths), torch.stack(confidences))
    return replace(first, depth=depth, depth_conf=confidence)


def fuse_depth(
    depth: Float[Tensor, "windows *pixels"], confidence: Float[Tensor, "windows *pixels"]
) -> tuple[Float[Tensor, "*pixels"], Float[Tensor, "*pixels"]]:
    """Depth maps of one view as one, and the most confidence that any of them has there."""
    best = confidence.argmax(0, keepdim=True)
    reference = depth.take_along_dim(best, 0)
    apart = (depth / reference).log().abs()  # NaN or infinite where a depth is not positive
    weights = confidence.square() * (apart <= _AGREEING)
    total = weights.sum(0)
    logs = torch.where(weights > 0, weights * depth.clamp_min(1e-12).log(), 0.0).sum(0)
    fused = torch.where(total > 0, (logs / total.clamp_min(1e-12)).exp(), reference[0])
    return fused, confidence.amax(0)


def with_shared_intrinsics(predictions: Predictions, camera_ids: Sequence[int]) -> Predictions:
    """Every camera with the median focal length of all views that it took.

    What each pass says of a camera differs a little; the poses and depth of a pass stay, since the
    field of view hardly moves what is near the middle.
    """
    numbers = torch.as_tensor(camera_ids)
    pose_enc, intrinsics = predictions.pose_enc, predictions.intrinsics
    if pose_enc is not None:
        pose_enc = pose_enc.clone()
    if intrinsics is not None:
        intrinsics = intrinsics.clone()
    for number in numbers.unique():
        views = (numbers == number).nonzero()[:, 0]
        if pose_enc is not None:
            pose_enc[:, views, 7:] = pose_enc[:, views, 7:].quantile(0.5, dim=1, keepdim=True)
        if intrinsics is not None:
            of_camera = intrinsics[:, views]
            intrinsics[:, views] = of_camera.quantile(0.5, dim=1, keepdim=True)
    return replace(predictions, pose_enc=pose_enc, intrinsics=intrinsics)
