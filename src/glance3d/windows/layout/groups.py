"""Windows of the views that are most alike, in any order, each tied to an earlier one."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from glance3d.pass_options import WindowOptions

_WITNESSES = 2  # a view joins by how alike it is to so many of a window


def groups_of(
    views: Sequence[int],
    options: WindowOptions,
    reference: int,
    likeness: Float[Tensor, "views views"],
) -> tuple[tuple[int, ...], ...]:
    """The first window grows from the reference. Every other one ties new views to an earlier one.

    It begins with as many views of one earlier window as are to be shared, those most alike to the
    new view that is most alike to any seen before, and grows by the new views most alike to it;
    where none are left, by those seen before.
    """
    left = set(views) - {reference}
    windows = [_grown([reference], left, set(), options.views, likeness)]
    while left:
        held = sorted(set(views) - left)
        waiting = sorted(left)
        between = likeness[held][:, waiting]
        place = int(between.argmax())
        known, new = held[place // len(waiting)], waiting[place % len(waiting)]
        base = next(window for window in reversed(windows) if known in window)
        alike = sorted(base, key=lambda view, new=new: -float(likeness[view, new]))
        shared = alike[: options.shared]
        left.remove(new)
        others = set(held) - set(shared)
        windows.append(_grown([*shared, new], left, others, options.views, likeness))
    return tuple(windows)


def _grown(
    window: list[int],
    left: set[int],
    seen: set[int],
    size: int,
    likeness: Float[Tensor, "views views"],
) -> tuple[int, ...]:
    """Grow a window up to its size by what is most alike to it; views taken leave their set."""
    for pool in (left, seen):
        while pool and len(window) < size:
            waiting = sorted(pool)
            to_window = likeness[waiting][:, window]
            best = to_window.topk(min(_WITNESSES, len(window))).values.mean(-1)
            place = int(best.argmax())
            pool.remove(waiting[place])
            window.append(waiting[place])
    return tuple(window)
