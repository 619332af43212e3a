"""How much may be looked at to close loops, so that passes grow with the windows' number."""

from collections.abc import Sequence

#: A window takes part in at most so many candidates, each looked at by two passes at most.
MAX_PER_WINDOW = 3
#: Views of each end that a pass over both is shown.
MAX_END = 4
LEAST_END = 2


def views_of_end(sizes: Sequence[int]) -> int:
    """Views of each end that are shown at once, of windows of these sizes; 0 of too small ones."""
    views = min(MAX_END, max(sizes) // 2)
    return views if views >= LEAST_END else 0


def most_looks(sizes: Sequence[int]) -> int:
    """How many passes verify the loops of so many windows, at most."""
    return MAX_PER_WINDOW * len(sizes) if views_of_end(sizes) else 0
