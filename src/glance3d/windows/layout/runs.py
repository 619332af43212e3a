"""Runs of neighbours in the order in which photos were given: a clip's frames, or a walk."""

from collections.abc import Sequence

from glance3d.pass_options import WindowOptions


def runs_of(
    views: Sequence[int], options: WindowOptions, reference: int
) -> tuple[tuple[int, ...], ...]:
    """The windows in the order in which they are joined, each as the network is shown it.

    The first is the one that holds the reference view, which it begins with; the others follow
    outwards from it. Every other one begins with the view, of those that earlier windows hold, that
    is nearest to its middle. All have as many views as they may; what does not come out even makes
    overlaps larger. Places in ``views`` count as distances.
    """
    places = _runs(len(views), options, list(views).index(reference))
    return tuple(tuple(views[place] for place in window) for window in places)


def _runs(num_views: int, options: WindowOptions, reference: int) -> tuple[tuple[int, ...], ...]:
    if not options.divides(num_views):
        return (_beginning_with(reference, range(num_views)),)
    step = options.views - options.shared
    num_windows = 1 - (options.views - num_views) // step  # rounded up
    room = num_views - options.views
    starts = [index * room // (num_windows - 1) for index in range(num_windows)]
    runs = [range(start, start + options.views) for start in starts]
    holding = [index for index, run in enumerate(runs) if reference in run]
    root = min(holding, key=lambda index: abs(_middle(runs[index]) - reference))
    windows = [_beginning_with(reference, runs[root])]
    held = set(runs[root])
    for index in (*range(root + 1, num_windows), *reversed(range(root))):
        run = runs[index]
        first = min(held & set(run), key=lambda view, run=run: abs(_middle(run) - view))
        windows.append(_beginning_with(first, run))
        held |= set(run)
    return tuple(windows)


def _middle(run: range) -> float:
    return (run[0] + run[-1]) / 2


def _beginning_with(first: int, run: Sequence[int]) -> tuple[int, ...]:
    return (first, *(view for view in run if view != first))
