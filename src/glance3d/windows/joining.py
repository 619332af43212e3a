"""From windows in frames of their own to one world: the first window's."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from glance3d.geometry.similarity import Similarity, identity_similarity
from glance3d.windows.alignment import (
    SharedViews,
    WindowAlignment,
    align_window,
    compare_window,
)
from glance3d.windows.moving import moved
from glance3d.windows.store import WindowStore


def join_windows(
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    usable: Bool[Tensor, "views height width"],
    *,
    in_one_world: bool = False,
) -> tuple[tuple[Similarity, ...], tuple[WindowAlignment, ...]]:
    """``world_from_window`` of every window, and how each but the first was joined to earlier ones.

    A view that several earlier windows hold counts as the first of them says. ``in_one_world``:
    every window's cameras were given, so that none has to be moved.
    """
    worlds = [identity_similarity()]
    holder = dict.fromkeys(windows[0], 0)
    alignments = []
    join = compare_window if in_one_world else align_window
    for index, views in enumerate(windows[1:], 1):
        shared = tuple(view for view in views if view in holder)
        alignment = join(
            views,
            shared,
            _as_held(windows, store, worlds, [(view, holder[view]) for view in shared]),
            _seen_by(windows, store, index, shared, identity_similarity()),
            usable[list(shared)],
        )
        alignments.append(alignment)
        worlds.append(alignment.world_from_window)
        holder = {**dict.fromkeys(views, index), **holder}
    return tuple(worlds), tuple(alignments)


def _as_held(
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    worlds: Sequence[Similarity],
    held: Sequence[tuple[int, int]],
) -> SharedViews:
    """Views in the world, each as one window says."""
    single = [_seen_by(windows, store, index, (view,), worlds[index]) for view, index in held]
    return SharedViews(
        torch.cat([views.cam_from_world for views in single]),
        torch.cat([views.depth for views in single]),
        torch.cat([views.confidence for views in single]),
    )


def _seen_by(
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    index: int,
    views: Sequence[int],
    world_from_window: Similarity,
) -> SharedViews:
    """What a window says of some of its views, in the world."""
    places = [windows[index].index(view) for view in views]
    predictions = moved(store.get(index).of_views(places), world_from_window)
    assert predictions.depth is not None
    assert predictions.depth_conf is not None
    return SharedViews(predictions.cameras()[0][0], predictions.depth[0], predictions.depth_conf[0])
