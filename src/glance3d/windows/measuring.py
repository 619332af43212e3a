"""Edges between windows that share views, each measured by itself."""

from collections.abc import Sequence

from jaxtyping import Bool
from torch import Tensor

from glance3d.errors import InputError
from glance3d.types import Predictions
from glance3d.windows.alignment import SharedViews, align_views, compare_views
from glance3d.windows.graph.spanning import component_of_windows
from glance3d.windows.store import WindowStore
from glance3d.windows.window_graph import WindowAlignment, pairs_of

#: Of the earlier windows that share views with one, so many that share most are measured.
MAX_EARLIER = 6


def shared_pairs(windows: Sequence[tuple[int, ...]]) -> list[tuple[int, int]]:
    """Windows (first < second) that share views: each with the earlier ones that share most.

    Those that share half as many, or fewer, are left out.
    """
    holders: dict[int, list[int]] = {}
    pairs = []
    for second, views in enumerate(windows):
        counts: dict[int, int] = {}
        for view in views:
            for first in holders.setdefault(view, []):
                counts[first] = counts.get(first, 0) + 1
            holders[view].append(second)
        notable = [first for first in counts if 2 * counts[first] > max(counts.values())]
        most = sorted(notable, key=lambda first, counts=counts: (-counts[first], first))
        pairs += [(first, second) for first in sorted(most[:MAX_EARLIER])]
    return pairs


def measure_shared(
    windows: Sequence[tuple[int, ...]],
    store: WindowStore,
    usable: Bool[Tensor, "views height width"],
    *,
    in_one_world: bool = False,
) -> tuple[WindowAlignment, ...]:
    """The edges between all :func:`shared_pairs`. Two windows are in memory at a time.

    Raises:
        InputError: a window shares views with others, but none whose depth is of use.
    """
    measure = compare_views if in_one_world else align_views
    pairs = shared_pairs(windows)
    measured, refusals = [], []
    for first, second in pairs:
        held = set(windows[first])
        shared = tuple(view for view in windows[second] if view in held)
        said = seen_by(windows, store, first, shared), seen_by(windows, store, second, shared)
        try:
            fit = measure(windows[second], *said, usable[list(shared)])
        except InputError as error:
            refusals.append(error)
            continue
        measured.append(
            WindowAlignment.of(
                fit, first=first, second=second, views=windows[second], shared=shared
            )
        )
    could = component_of_windows(len(windows), pairs)
    if refusals and component_of_windows(len(windows), pairs_of(measured)) != could:
        raise refusals[0]
    return tuple(measured)


def seen_by(
    windows: Sequence[tuple[int, ...]], store: WindowStore, index: int, views: Sequence[int]
) -> SharedViews:
    """What a window says of some of its views, in its own frame."""
    return shared_views(store.get(index), [windows[index].index(view) for view in views])


def shared_views(predictions: Predictions, places: Sequence[int]) -> SharedViews:
    """The views at these places of a pass, as alignment takes them."""
    some = predictions.of_views(places)
    assert some.depth is not None
    assert some.depth_conf is not None
    return SharedViews(some.cameras()[0][0], some.depth[0], some.depth_conf[0])
