"""A rectified stereo pair: two photos in which everything lies in the same row.

Such a pair is known better than bundle adjustment finds it: the cameras stand side by side and are
not turned. What rows cannot say is the focal length (any gives the same rows) and by how much one
photo's principal point is shifted along them, as in pairs that were rectified and cropped: that
adds the same number of pixels to every disparity, and bends depth. The network's depth, however
rough, tells a bent scene from a straight one.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.geometry.cameras import camera_rays
from glance3d.geometry.filter import usable_depth
from glance3d.images import Originals
from glance3d.multiview.view_graph import ViewGraph
from glance3d.refinement.assembly.refined_cameras import RefinedCameras
from glance3d.refinement.assembly.sparse_points import sample_colors
from glance3d.refinement.mapping.registration import Registration
from glance3d.refinement.matching.camera_models import default_focal, network_focal
from glance3d.types import Cameras, Reconstruction, SparsePoints

_MIN_MATCHES = 50
# Pixels at a diagonal of 1000 that the rows of four matches of five may differ by.
_SAME_ROW = 1.0
_SHARE_IN_ROWS = 0.8
# The disparities' 10 % and 90 % quantiles differ by so many of these pixels at least: the camera
# may have turned on the spot otherwise, which moves all points alike.
_MIN_SPREAD = 4.0
# So many shifts are tried: from one that leaves the farthest points (2 % quantile) this share of
# their disparity, to one that adds so many median disparities.
_NUM_SHIFTS = 201
_LEAST_SHARE, _MOST_ADDED = 0.1, 2.0
# Of shifts that fit the network's depth almost equally well, the smallest one is believed.
_ALMOST = 1.1


@dataclass(frozen=True)
class RowMatches:
    """Pixels of one point in both photos, in the same row; all disparities are above 0.

    ``disparity`` is how much farther to the left the second photo shows a point than the first;
    ``sign`` is -1 if it is to the right instead, since the second camera stands left.
    """

    pixels: Float[Tensor, "views=2 matches 2"]
    sign: float

    @property
    def disparity(self) -> Float[Tensor, " matches"]:
        """In pixels."""
        return self.sign * (self.pixels[0, :, 0] - self.pixels[1, :, 0])


def rectified_pair_warning(shift: float) -> str:
    """What was assumed, in a sentence for a person."""
    return (
        "the two photos are a rectified pair: their cameras stand side by side and are not turned; "
        f"such photos tell neither the focal length nor {shift:.0f} pixels that were added to all "
        "disparities, by the network's depth: give known cameras for depth that is true to scale"
    )


def find_row_matches(view_graph: ViewGraph, cameras: Cameras) -> RowMatches | None:
    """The matches of a rectified pair; None if the photos are anything else."""
    if view_graph.num_views != 2 or len(view_graph.pairs) != 1:
        return None
    (pair,) = view_graph.pairs
    sizes = cameras.image_sizes.tolist()
    if sizes[0] != sizes[1] or len(pair) < _MIN_MATCHES:
        return None
    pixels = np.stack([pair.pixels_first, pair.pixels_second])
    pixel = cameras.pixel_unit
    in_row = np.abs(pixels[0, :, 1] - pixels[1, :, 1]) <= _SAME_ROW * pixel
    disparity = pixels[0, :, 0] - pixels[1, :, 0]
    low, high = np.quantile(disparity[in_row], [0.1, 0.9]) if in_row.any() else (0.0, 0.0)
    sign = 1.0 if low > 0 else -1.0
    ahead = in_row & (sign * disparity > 0)
    if ahead.mean() < _SHARE_IN_ROWS or high - low < _MIN_SPREAD * pixel:
        return None
    return RowMatches(torch.from_numpy(pixels[:, ahead]), sign)


def with_rectified_pair(
    scene: Reconstruction,
    refined: RefinedCameras,
    registration: Registration,
    originals: Originals,
) -> RefinedCameras:
    """The pair as it was rectified; ``rectified_shift`` is what its disparities were short of.

    The second principal point takes up the shift. Anything else, and what has known cameras, comes
    back as it is.
    """
    photos = registration.photos
    matches = find_row_matches(photos.view_graph, scene.cameras) if photos.known is None else None
    if matches is None:
        return refined
    focal = _focal(scene, registration)
    guess = _guessed_depth(scene, matches.pixels[0])
    usable = usable_depth(guess)
    shift = choose_shift(matches.disparity[usable], guess[usable]) if bool(usable.any()) else 0.0
    cameras = _rectified_cameras(scene.cameras.image_sizes, focal, shift, matches.sign)
    # z = f b / d with a baseline b of 1.
    depth = focal / (matches.disparity + shift)
    points = camera_rays(matches.pixels[0], cameras.intrinsics[0]) * depth[:, None]
    return replace(
        refined,
        cameras=cameras,
        sparse=_sparse_points(points, matches, originals),
        registered_by=("bundle adjustment",) * 2,
        rectified_shift=shift,
    )


def _rectified_cameras(
    image_sizes: Int[Tensor, "views=2 2"], focal: float, shift: float, sign: float
) -> Cameras:
    """Two cameras side by side, a baseline of 1 apart, the first one in the origin; float64."""
    intrinsics = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
    intrinsics[:, :2, 2] = image_sizes.double() / 2
    intrinsics[1, 0, 2] += sign * shift
    poses = torch.eye(3, 4, dtype=torch.float64).repeat(2, 1, 1)
    poses[1, 0, 3] = -sign  # a second camera to the right moves points to the left
    return Cameras(poses, intrinsics, image_sizes, None, torch.arange(2))


def choose_shift(disparity: Float[Tensor, " matches"], guess: Float[Tensor, " matches"]) -> float:
    """Pixels to add to all disparities so that depth looks like the guess, whatever its scale.

    The smallest that does so almost as well as the best of all.
    """

    def misfit(shift: float) -> float:
        # Guessed over measured depth up to a factor: the latter is proportional to 1 / disparity.
        ratio = (guess * (disparity + shift)).log()
        return float((ratio - ratio.median()).abs().mean())

    lowest = (_LEAST_SHARE - 1) * float(disparity.quantile(0.02))
    ahead = disparity + lowest > 0
    disparity, guess = disparity[ahead], guess[ahead]
    shifts = torch.linspace(lowest, _MOST_ADDED * float(disparity.median()), _NUM_SHIFTS).tolist()
    misfits = {shift: misfit(shift) for shift in [0.0, *shifts]}
    allowed = _ALMOST * min(misfits.values())
    return min((shift for shift, one in misfits.items() if one <= allowed), key=abs)


def _focal(scene: Reconstruction, registration: Registration) -> float:
    """By EXIF; the network's, if the photos confirm its poses; or the usual one."""
    size = scene.placements[0].original_size
    stated = scene.metadata[0].focal_length(size) if scene.metadata else None
    if stated is not None:
        return stated
    if len(registration.photos.network_poses.confirmed) == 2:
        return network_focal(scene, [0, 1])
    return default_focal(size)


def _guessed_depth(
    scene: Reconstruction, pixels: Float[Tensor, "matches 2"]
) -> Float[Tensor, " matches"]:
    """The network's depth in the first view; 0 where it says nothing of use."""
    if scene.depth is None:
        return torch.zeros(len(pixels), dtype=torch.float64)
    height, width = scene.depth.shape[1:]
    x, y = scene.placements[0].to_processed(pixels).long().unbind(-1)
    return scene.depth[0, y.clamp(0, height - 1), x.clamp(0, width - 1)].double()


def _sparse_points(
    points: Float[Tensor, "matches 3"], matches: RowMatches, originals: Originals
) -> SparsePoints:
    numbers = torch.arange(len(points))
    return SparsePoints(
        points,
        sample_colors(originals[0], matches.pixels[0]),
        torch.tensor([0, 1]).repeat_interleave(len(points)),
        numbers.repeat(2),
        matches.pixels.flatten(0, 1),
    )
