"""All windows as if they had been one pass: seen, joined, fused."""

from collections.abc import Callable, Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.types import Predictions
from glance3d.windows.fusion import fuse_windows
from glance3d.windows.passes import run_passes
from glance3d.windows.store import MemoryStore, WindowStore
from glance3d.windows.window_graph import WindowGraph


def predict_in_windows(
    predict_views: Callable[[Sequence[int]], Predictions],
    windows: Sequence[tuple[int, ...]],
    usable: Bool[Tensor, "views height width"],
    *,
    store: WindowStore | None = None,
    likeness: Float[Tensor, "views views"] | None = None,
    camera_ids: Sequence[int] | None = None,
    in_one_world: bool = False,
    progress: bool = False,
) -> tuple[Predictions, WindowGraph]:
    """Predictions of all views, and how the windows were joined.

    Args:
        predict_views: Shows a network some views, the first of them first; it must predict cameras
            and depth.
        windows: Those of :func:`glance3d.windows.lay_out`. The first one's frame and scale are the
            scene's.
        usable: Which pixels count.
        store: Keeps what the windows predict until they are joined; by default memory does.
        likeness: How alike photos are (:func:`glance3d.retrieval.photo_likeness`). Given it, loops
            between windows far apart are looked for, in at most six further passes a window.
        camera_ids: A number a view; those with one number were taken by one camera, whose field of
            view then is the same in all windows.
        in_one_world: Every window's cameras were given, so that none is moved or changed.
        progress: Show bars on stderr.

    Returns:
        Predictions on the CPU, without iterations; the graph.

    Raises:
        InputError: Windows share views, but no depth by which to join them.
    """
    # Windows are seldom: scipy, which solves their graph, waits for them.
    from glance3d.windows.joining import LoopSearch, join_windows

    store = MemoryStore() if store is None else store
    run_passes(predict_views, windows, store, progress=progress)
    search = None if likeness is None else LoopSearch(likeness, predict_views, progress)
    graph = join_windows(windows, store, usable, in_one_world=in_one_world, loops=search)
    return fuse_windows(graph, store, len(usable), None if in_one_world else camera_ids), graph
