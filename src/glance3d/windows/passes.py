"""One pass a window, kept as they come."""

from collections.abc import Callable, Sequence

from glance3d.progress import ProgressBar
from glance3d.types import Predictions
from glance3d.windows.store import WindowStore

#: What passes are compared by.
COMPARED = ("pose_enc", "cam_from_world", "intrinsics", "depth", "depth_conf")
#: What a scene is made of.
KEPT = (*COMPARED, "points_world", "points_conf")


def run_passes(
    predict_views: Callable[[Sequence[int]], Predictions],
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    *,
    progress: bool = False,
) -> None:
    """Show a network every window that the store does not hold yet, and put there what it says.

    ``predict_views`` shows it some views, the first of them first, and must predict cameras and
    depth. What is kept is float32 on the CPU, since all views may be too many for the device, and
    has no iterations.
    """
    bar = ProgressBar(windows, desc="windows", unit="window", disable=not progress)
    for index, views in enumerate(bar):
        if index not in store:
            store.put(index, on_cpu(predict_views(views)))


def on_cpu(predictions: Predictions, names: Sequence[str] = KEPT) -> Predictions:
    """These predictions alone, as float32 on the CPU, in predictions of the same kind."""
    values = {name: getattr(predictions, name) for name in names}
    return type(predictions)(
        predictions.image_size,
        **{name: None if value is None else value.float().cpu() for name, value in values.items()},
    )
