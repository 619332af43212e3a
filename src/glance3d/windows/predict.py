"""All windows as if they had been one pass: seen, joined, fused."""

from collections.abc import Callable, Sequence

from jaxtyping import Bool
from torch import Tensor

from glance3d.types import Predictions
from glance3d.windows.alignment import WindowAlignment
from glance3d.windows.fusion import fuse_windows
from glance3d.windows.joining import join_windows
from glance3d.windows.passes import run_passes
from glance3d.windows.store import MemoryStore, WindowStore


def predict_in_windows(
    predict_views: Callable[[Sequence[int]], Predictions],
    windows: Sequence[tuple[int, ...]],
    usable: Bool[Tensor, "views height width"],
    *,
    store: WindowStore | None = None,
    in_one_world: bool = False,
    progress: bool = False,
) -> tuple[Predictions, tuple[WindowAlignment, ...]]:
    """Predictions of all views, and how the windows were aligned.

    ``predict_views`` shows a network some views, the first of them first, and must predict cameras
    and depth; ``usable`` says which pixels count. ``windows`` are those of
    :func:`glance3d.windows.lay_out`. Of what several windows predict, the first one's is kept; its
    frame and scale are the scene's. ``store`` keeps what they predict until then, by default in
    memory. ``in_one_world``: every window's cameras were given, so that none has to be moved. The
    result is on the CPU and has no iterations.
    """
    store = MemoryStore() if store is None else store
    run_passes(predict_views, windows, store, progress=progress)
    worlds, alignments = join_windows(windows, store, usable, in_one_world=in_one_world)
    return fuse_windows(windows, store, worlds, len(usable)), alignments
