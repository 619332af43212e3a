"""A model whose tracked points are adjusted to each other on the photos, and then once more."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from glance3d.images import Originals
from glance3d.refinement.mapping.mapper import num_supported
from glance3d.refinement.tracks.refine_tracks import refine_tracks


def with_refined_tracks(
    reconstruction: Any,
    image_ids: Sequence[int],
    originals: Originals,
    adjust: Callable[[Any], None],
    *,
    max_error: float,
    max_image_size: int,
    progress: bool = False,
) -> tuple[Any, dict[str, Any]]:
    """A refined and adjusted copy of a COLMAP reconstruction, and a JSON-ready record of it.

    The reconstruction itself, which is adjusted already, if the copy holds fewer photos.
    ``image_ids``, ``max_error`` and ``max_image_size`` are as in :func:`refine_tracks`.
    """
    refined = copy.deepcopy(reconstruction)
    found = refine_tracks(
        refined,
        image_ids,
        originals,
        max_error=max_error,
        max_image_size=max_image_size,
        progress=progress,
    )
    adjust(refined)
    is_used = num_supported(refined) >= num_supported(reconstruction)
    record = {
        "num_observations": found.num_observations,
        "num_moved": found.num_moved,
        "median_move_px": round(found.median_move, 3),
        "error_before_px": round(reconstruction.compute_mean_reprojection_error(), 3),
        "error_after_px": round(refined.compute_mean_reprojection_error(), 3),
        "used": is_used,
    }
    return refined if is_used else reconstruction, record
