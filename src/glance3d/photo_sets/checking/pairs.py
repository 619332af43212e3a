"""Views of a set that may see the same thing: near each other in order, or in space."""

import torch

from glance3d.geometry.cameras import camera_centers
from glance3d.photo_sets.photo_set import PhotoSet

_STARTS = 10
_GAPS = (1, 2, 4, 8, 16)
_NEAREST = 2


def pairs_to_compare(photos: PhotoSet, views: list[int]) -> list[tuple[int, int]]:
    """Some of the pairs of ``views``, whichever way poses may be meant.

    From views that are spread over the set to later ones at several distances in order, so that
    some pairs are far enough apart to tell one reading from another, and to the nearest cameras.
    """
    count = len(views)
    starts = sorted({index * count // _STARTS for index in range(_STARTS)})
    pairs = [(s, s + gap) for s in starts for gap in _GAPS if s + gap < count]
    centers = camera_centers(photos.cameras.cam_from_world[views].double())
    apart = torch.cdist(centers, centers).fill_diagonal_(torch.inf)
    for start in starts:
        nearest = apart[start].topk(min(_NEAREST, count - 1), largest=False).indices.tolist()
        pairs += [(start, other) for other in nearest]
    unique = {(min(pair), max(pair)): pair for pair in pairs}
    return list(unique.values())
