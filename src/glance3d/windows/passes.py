"""One pass a window, and all of them as if they had been one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from glance3d.geometry.pose_encoding import encode_pose
from glance3d.types import Predictions
from glance3d.windows.alignment import SharedViews, WindowAlignment, estimate_join

_MAPS = ("depth", "depth_conf", "points_world", "points_conf")


def predict_in_windows(
    look: Callable[[Sequence[int]], Predictions],
    windows: Sequence[tuple[int, ...]],
    usable: Bool[Tensor, "views height width"],
    *,
    progress: bool = False,
) -> tuple[Predictions, tuple[WindowAlignment, ...]]:
    """What the network says of all views, and how the windows were joined.

    ``look`` sees some views, the first of them first, and must tell cameras and depth; ``usable``
    says which pixels count. ``windows`` are those of :func:`glance3d.windows.lay_out`. What several
    windows hold is told by the first of them; its frame and scale are the scene's. The result is on
    the CPU, since all views together may be too many for the device, and has no iterations.
    """
    scene: dict[str, Tensor] = {}
    joins = []
    held: set[int] = set()
    size = (0, 0)
    for views in tqdm(windows, desc="windows", unit="window", disable=not progress):
        said = _on_cpu(look(views))
        size = said.image_size
        if held:
            shared = tuple(view for view in views if view in held)
            join = estimate_join(
                views,
                shared,
                _shared(Predictions(size, **scene), shared),
                _shared(said, [views.index(view) for view in shared]),
                usable[list(shared)],
            )
            joins.append(join)
            said = _moved(said, join)
        fresh = [place for place, view in enumerate(views) if view not in held]
        _keep(scene, said, fresh, [views[place] for place in fresh], len(usable))
        held |= set(views)
    return Predictions(size, **scene), tuple(joins)


def _on_cpu(said: Predictions) -> Predictions:
    """What a scene is made of, as float32 on the CPU."""
    names = ("pose_enc", *_MAPS)
    values = {name: getattr(said, name) for name in names}
    return Predictions(
        said.image_size,
        **{name: None if value is None else value.float().cpu() for name, value in values.items()},
    )


def _shared(said: Predictions, views: Sequence[int]) -> SharedViews:
    assert said.depth is not None
    assert said.depth_conf is not None
    index = list(views)
    return SharedViews(said.cameras()[0][0, index], said.depth[0, index], said.depth_conf[0, index])


def _moved(said: Predictions, join: WindowAlignment) -> Predictions:
    """The window's predictions in the scene's frame, at its scale. Fields of view stay."""
    world_from_window = join.world_from_window
    cam_from_world, intrinsics = said.cameras()
    moved = world_from_window.transform_cameras(cam_from_world.double()).float()
    encoded = encode_pose(moved, intrinsics, *said.image_size)
    assert said.pose_enc is not None
    points = said.points_world
    return replace(
        said,
        pose_enc=torch.cat([encoded[..., :7], said.pose_enc[..., 7:]], -1),
        depth=None if said.depth is None else said.depth * world_from_window.scale,
        points_world=None if points is None else _points_moved(points, join),
    )


def _points_moved(
    points: Float[Tensor, "batch views height width 3"], join: WindowAlignment
) -> Float[Tensor, "batch views height width 3"]:
    return join.world_from_window.transform_points(points.double()).float()


def _keep(
    scene: dict[str, Tensor],
    said: Predictions,
    places: Sequence[int],
    views: Sequence[int],
    num_views: int,
) -> None:
    """Put the views at these places of a window where they belong among all views."""
    for name in ("pose_enc", *_MAPS):
        values = getattr(said, name)
        if values is None:
            continue
        if name not in scene:
            scene[name] = values.new_zeros((1, num_views, *values.shape[2:]))
        scene[name][0, list(views)] = values[0, list(places)]
