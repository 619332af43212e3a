"""Which views of a scene are placed to each other by more than a guess."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool

from glance3d.multiview.view_graph import connected_components
from glance3d.types import Reconstruction, ViewTrust


def placed_together(
    scene: Reconstruction, trust: Sequence[ViewTrust] | None
) -> Bool[np.ndarray, "views views"]:
    """False for pairs of views of two parts of the scene, that nothing measured connects.

    ``trust`` says by what each view was registered. A part is the views "component" that points
    hold together, or all others.
    """
    part = np.zeros(scene.num_views, dtype=int)
    by = ["" if trust is None else trust[view].registered_by for view in range(scene.num_views)]
    apart = [view for view in range(scene.num_views) if by[view] == "component"]
    part[apart] = -1 - np.array(apart, dtype=int)
    for number, views in enumerate(connected_components(_seen_together(scene)), start=1):
        part[[view for view in sorted(views) if by[view] == "component"]] = number
    return part[:, None] == part


def _seen_together(scene: Reconstruction) -> list[tuple[int, int]]:
    """Pairs of views that connect all views of each point."""
    if scene.sparse is None:
        return []
    views, points = scene.sparse.view_indices, scene.sparse.point_indices
    order = torch.argsort(points, stable=True)  # views of a point stay sorted
    views, points = views[order], points[order]
    pairs = torch.stack([views[:-1], views[1:]], 1)[points[:-1] == points[1:]]
    return [(int(a), int(b)) for a, b in torch.unique(pairs, dim=0)]
