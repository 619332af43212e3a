"""Which pairs third views confirm: a match followed by way of another view ends where it should.

Two places that look alike pass two-view geometry, but rarely agree with what both views match in a
third one (cf. Zach et al., "Disambiguating visual relations using loop constraints", CVPR 2010).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

Pair = tuple[int, int]
# Loops that must close, and their share of all that could.
_MIN_CLOSED = 5
_MIN_SHARE = 0.6
# With so many matches a pair needs no third view, unless third views contradict it: of pairs
# without loops on a walk through an office all wrong ones had fewer.
_ENOUGH_ALONE = 60
_ENOUGH_CONFIRMED = 45


def confirmed_pairs(
    features: Sequence[Float[np.ndarray, "_features 2"]],
    rows: Mapping[Pair, Int[np.ndarray, "_matches 2"]],
    tolerances: Sequence[float],
) -> set[Pair]:
    """The pairs that loops confirm, or that have matches enough and no loops against them.

    ``features`` are pixels, view by view, ``rows`` the numbers of those that match, and a loop is
    closed if it ends within ``tolerances`` (pixels of the last view) of where it should.
    """
    to_other: dict[int, dict[int, np.ndarray]] = defaultdict(dict)
    for (first, second), matches in rows.items():
        for own, other, columns in ((first, second, (0, 1)), (second, first, (1, 0))):
            target = np.full(len(features[own]), -1)
            target[matches[:, columns[0]]] = matches[:, columns[1]]
            to_other[own][other] = target
    confirmed = set()
    for (first, second), matches in rows.items():
        closed = total = 0
        for third in to_other[first].keys() & to_other[second].keys():
            direct = to_other[first][third][matches[:, 0]]
            around = to_other[second][third][matches[:, 1]]
            both = (direct >= 0) & (around >= 0)
            gap = features[third][direct[both]] - features[third][around[both]]
            closed += int((np.linalg.norm(gap, axis=1) < tolerances[third]).sum())
            total += int(both.sum())
        agrees = closed >= _MIN_SHARE * total
        enough = _ENOUGH_CONFIRMED if closed >= _MIN_CLOSED else _ENOUGH_ALONE
        if agrees and len(matches) >= enough:
            confirmed.add((first, second))
    return confirmed
