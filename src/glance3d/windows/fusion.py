"""One scene of all windows, view by view, so that memory holds the scene and one view more."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from glance3d.geometry.similarity import Similarity
from glance3d.types import Predictions
from glance3d.windows.moving import moved
from glance3d.windows.passes import KEPT
from glance3d.windows.store import WindowStore


def fuse_windows(
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    world_from_window: Sequence[Similarity],
    num_views: int,
) -> Predictions:
    """Predictions of all views in the world."""
    scene: dict[str, Tensor] = {}
    first = store.get(0)
    for view, predictions in fused_views(windows, store, world_from_window):
        for name in KEPT:
            values = getattr(predictions, name)
            if values is None:
                continue
            if name not in scene:
                scene[name] = values.new_zeros((1, num_views, *values.shape[2:]))
            scene[name][0, view] = values[0, 0]
    return type(first)(first.image_size, **scene)


def fused_views(
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    world_from_window: Sequence[Similarity],
) -> Iterator[tuple[int, Predictions]]:
    """Each view once, with its predictions in the world, as the first window that holds it says."""
    told: set[int] = set()
    for index, views in enumerate(windows):
        for place, view in enumerate(views):
            if view not in told:
                told.add(view)
                yield view, moved(store.get(index).of_views([place]), world_from_window[index])
