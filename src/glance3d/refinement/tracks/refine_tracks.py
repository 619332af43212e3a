"""Places of tracked points adjusted to each other: the door.

After Furukawa and Ponce, "Accurate camera calibration from multi-view stereo and bundle
adjustment", IJCV 2009: cameras that are known roughly say how a patch of one photo looks in the
others, where it is found again to a fraction of a pixel; the cameras are then adjusted to that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from glance3d.images import Originals
from glance3d.progress import ProgressBar
from glance3d.refinement.tracks.moves import move_observations
from glance3d.refinement.tracks.observations import read_observations, write_pixels
from glance3d.refinement.tracks.pyramids import Pyramid, build_pyramid, levels_to_reach


@dataclass(frozen=True)
class TrackRefinement:
    """How many observations there were, how many moved, and their median move in pixels."""

    num_observations: int
    num_moved: int
    median_move: float


def refine_tracks(
    reconstruction: Any,
    image_ids: Sequence[int],
    originals: Originals,
    *,
    max_error: float,
    max_image_size: int,
    progress: bool = False,
) -> TrackRefinement:
    """Move the observations of a COLMAP reconstruction's points; cameras and points stay.

    ``image_ids`` are its numbers of the views, in order. ``max_error`` is what observations may
    miss by, in original pixels; photos are looked at with at most ``max_image_size`` pixels on the
    longer side.
    """
    if reconstruction.num_points3D() == 0:
        return TrackRefinement(0, 0, 0.0)
    observations = read_observations(reconstruction)
    views = [image_ids.index(image_id) for image_id in sorted(reconstruction.reg_image_ids())]
    num_levels = levels_to_reach(max_error, originals.sizes, max_image_size)

    with ProgressBar(desc="tracks", unit="photo", disable=not progress) as bar:

        def pyramid(row: int) -> Pyramid:
            bar.update()
            return build_pyramid(originals[views[row]], max_image_size, num_levels)

        pixels, moved = move_observations(observations, pyramid, max_error)
    write_pixels(reconstruction, observations, pixels, moved)
    moves = (pixels - observations.pixels).norm(dim=-1)[moved]
    median = float(moves.median()) if len(moves) else 0.0
    return TrackRefinement(len(pixels), len(moves), median)
