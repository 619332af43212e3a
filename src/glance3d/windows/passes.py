"""One pass a window, and all of them as if they had been one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from glance3d.geometry.pose_encoding import encode_pose
from glance3d.types import Predictions
from glance3d.windows.alignment import (
    SharedViews,
    WindowAlignment,
    align_window,
    compare_window,
)

_MAPS = ("depth", "depth_conf", "points_world", "points_conf")


def predict_in_windows(
    predict_views: Callable[[Sequence[int]], Predictions],
    windows: Sequence[tuple[int, ...]],
    usable: Bool[Tensor, "views height width"],
    *,
    in_one_world: bool = False,
    progress: bool = False,
) -> tuple[Predictions, tuple[WindowAlignment, ...]]:
    """Predictions of all views, and how the windows were aligned.

    ``predict_views`` shows a network some views, the first of them first, and must predict cameras
    and depth; ``usable`` says which pixels count. ``windows`` are those of
    :func:`glance3d.windows.lay_out`. Of what several windows predict, the first one's is kept; its
    frame and scale are the scene's. ``in_one_world``: every window's cameras were given, so that
    none has to be moved. The result is on the CPU, since all views together may be too many for the
    device, and has no iterations.
    """
    scene: dict[str, Tensor] = {}
    alignments = []
    held: set[int] = set()
    kind, size = Predictions, (0, 0)
    for views in tqdm(windows, desc="windows", unit="window", disable=not progress):
        predictions = _on_cpu(predict_views(views))
        kind, size = type(predictions), predictions.image_size
        if held:
            shared = tuple(view for view in views if view in held)
            join = compare_window if in_one_world else align_window
            alignment = join(
                views,
                shared,
                _shared(Predictions(size, **scene), shared),
                _shared(predictions, [views.index(view) for view in shared]),
                usable[list(shared)],
            )
            alignments.append(alignment)
            if not in_one_world:
                predictions = _moved(predictions, alignment)
        fresh = [place for place, view in enumerate(views) if view not in held]
        _keep(scene, predictions, fresh, [views[place] for place in fresh], len(usable))
        held |= set(views)
    return kind(size, **scene), tuple(alignments)


def _on_cpu(predictions: Predictions) -> Predictions:
    """What a scene is made of, as float32 on the CPU, in predictions of the same kind."""
    names = ("pose_enc", "cam_from_world", "intrinsics", *_MAPS)
    values = {name: getattr(predictions, name) for name in names}
    return type(predictions)(
        predictions.image_size,
        **{name: None if value is None else value.float().cpu() for name, value in values.items()},
    )


def _shared(predictions: Predictions, views: Sequence[int]) -> SharedViews:
    assert predictions.depth is not None
    assert predictions.depth_conf is not None
    index = list(views)
    return SharedViews(
        predictions.cameras()[0][0, index],
        predictions.depth[0, index],
        predictions.depth_conf[0, index],
    )


def _moved(predictions: Predictions, alignment: WindowAlignment) -> Predictions:
    """The window's predictions in the scene's frame, at its scale. Fields of view stay."""
    world_from_window = alignment.world_from_window
    cam_from_world, intrinsics = predictions.cameras()
    moved = world_from_window.transform_cameras(cam_from_world.double()).float()
    encoded = encode_pose(moved, intrinsics, *predictions.image_size)
    points, pose_enc = predictions.points_world, predictions.pose_enc
    return replace(
        predictions,
        pose_enc=None if pose_enc is None else torch.cat([encoded[..., :7], pose_enc[..., 7:]], -1),
        cam_from_world=None if predictions.cam_from_world is None else moved,
        depth=None if predictions.depth is None else predictions.depth * world_from_window.scale,
        points_world=None if points is None else _points_moved(points, alignment),
    )


def _points_moved(
    points: Float[Tensor, "batch views height width 3"], alignment: WindowAlignment
) -> Float[Tensor, "batch views height width 3"]:
    return alignment.world_from_window.transform_points(points.double()).float()


def _keep(
    scene: dict[str, Tensor],
    predictions: Predictions,
    places: Sequence[int],
    views: Sequence[int],
    num_views: int,
) -> None:
    """Put the views at these places of a window where they belong among all views."""
    for name in ("pose_enc", "cam_from_world", "intrinsics", *_MAPS):
        values = getattr(predictions, name)
        if values is None:
            continue
        if name not in scene:
            scene[name] = values.new_zeros((1, num_views, *values.shape[2:]))
        scene[name][0, list(views)] = values[0, list(places)]
