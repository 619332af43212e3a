"""A rectified stereo pair: two photos in which everything lies in the same row.

Such a pair is known better than bundle adjustment finds it: the cameras stand side by side and are
not turned. What rows cannot say is the focal length (any gives the same rows) and by how much one
photo's principal point is shifted along them, as in pairs that were rectified and cropped: that
adds the same number of pixels to every disparity, and bends depth. The network's depth, however
rough, tells a bent scene from a straight one.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import camera_rays
from glance3d.geometry.filter import usable_depth
from glance3d.images import Originals
from glance3d.multiview.epipolar_errors import pixel_unit, view_epipolar_errors
from glance3d.multiview.view_graph import ViewGraph
from glance3d.refinement.assembly.assemble import RefinedCameras
from glance3d.refinement.mapping.attempts import Registration
from glance3d.refinement.matching.camera_models import default_focal, network_focal
from glance3d.types import Cameras, Reconstruction, SparsePoints

_MIN_MATCHES = 50
# Pixels at a diagonal of a thousand that the rows of four matches of five may differ by.
_SAME_ROW = 1.0
_SHARE_IN_ROWS = 0.8
# Disparities differ by as much, or the camera may have turned on the spot.
_MIN_SPREAD = 4.0
# Shifts from almost no disparity left for the farthest point to so many median disparities more.
_SHIFTS = 201
_LEAST_LEFT, _MOST_ADDED = 0.1, 2.0
# Of two shifts that the network's depth likes almost equally, the smaller one is believed.
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


def describe_rectified_pair(shift: float) -> tuple[dict[str, float], str]:
    """What was assumed, for the report: as JSON, and as a sentence for a person."""
    text = (
        "the two photos are a rectified pair: their cameras stand side by side and are not turned; "
        f"such photos tell neither the focal length nor {shift:.0f} pixels that were added to all "
        "disparities, by the network's depth: give known cameras for depth that is true to scale"
    )
    return {"shift_px": round(shift, 3)}, text


def find_row_matches(graph: ViewGraph, cameras: Cameras) -> RowMatches | None:
    """The matches of a rectified pair; None if the photos are anything else."""
    if graph.num_views != 2 or len(graph.pairs) != 1:
        return None
    (pair,) = graph.pairs
    sizes = cameras.image_sizes.tolist()
    if sizes[0] != sizes[1] or len(pair) < _MIN_MATCHES:
        return None
    pixels = np.stack([pair.pixels_first, pair.pixels_second])
    pixel = pixel_unit(cameras)
    in_row = np.abs(pixels[0, :, 1] - pixels[1, :, 1]) <= _SAME_ROW * pixel
    disparity = pixels[0, :, 0] - pixels[1, :, 0]
    low, high = np.quantile(disparity[in_row], [0.1, 0.9]) if in_row.any() else (0.0, 0.0)
    sign = 1.0 if low > 0 else -1.0
    ahead = in_row & (sign * disparity > 0)
    if ahead.mean() < _SHARE_IN_ROWS or high - low < _MIN_SPREAD * pixel:
        return None
    return RowMatches(torch.from_numpy(pixels[:, ahead]), sign)


def settle_rectified_pair(
    scene: Reconstruction,
    refined: RefinedCameras,
    registration: Registration,
    originals: Originals,
) -> tuple[RefinedCameras, float | None]:
    """The pair as it was rectified, and by how many pixels its disparities were short.

    The second principal point takes up the shift. Anything else, and what has known cameras, comes
    back as it is, with None.
    """
    shop = registration.shop
    matches = find_row_matches(shop.graph, scene.cameras) if shop.known is None else None
    if matches is None:
        return refined, None
    focal = _focal(scene, registration)
    guess = _guessed_depth(scene, matches.pixels[0])
    known = usable_depth(guess)
    shift = choose_shift(matches.disparity[known], guess[known]) if bool(known.any()) else 0.0
    sizes = scene.cameras.image_sizes
    intrinsics = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
    intrinsics[:, :2, 2] = sizes.double() / 2
    intrinsics[1, 0, 2] += matches.sign * shift
    poses = torch.eye(3, 4, dtype=torch.float64).repeat(2, 1, 1)
    poses[1, 0, 3] = -matches.sign
    cameras = Cameras(poses, intrinsics, sizes, None, torch.arange(2))
    depth = focal / (matches.disparity + shift)
    points = camera_rays(matches.pixels[0], intrinsics[0]) * depth[:, None]
    settled = RefinedCameras(
        cameras,
        _sparse_points(points, matches, originals),
        ("bundle adjustment",) * 2,
        refined.errors_before,
        tuple(view_epipolar_errors(shop.graph, cameras)),
    )
    return settled, shift


def choose_shift(disparity: Float[Tensor, " matches"], guess: Float[Tensor, " matches"]) -> float:
    """Pixels to add to all disparities so that depth looks like the guess, whatever its scale.

    The smallest that does so almost as well as the best of all.
    """

    def misfit(shift: float) -> float:
        ratio = (guess * (disparity + shift)).log()
        return float((ratio - ratio.median()).abs().mean())

    lowest = (_LEAST_LEFT - 1) * float(disparity.quantile(0.02))
    ahead = disparity + lowest > 0
    disparity, guess = disparity[ahead], guess[ahead]
    shifts = torch.linspace(lowest, _MOST_ADDED * float(disparity.median()), _SHIFTS).tolist()
    misfits = {shift: misfit(shift) for shift in [0.0, *shifts]}
    enough = _ALMOST * min(misfits.values())
    return min((shift for shift, one in misfits.items() if one <= enough), key=abs)


def _focal(scene: Reconstruction, registration: Registration) -> float:
    """By EXIF; the network's, if the photos confirm its poses; or the usual one."""
    size = scene.placements[0].original_size
    from_file = scene.facts[0].focal_length(size) if scene.facts else None
    if from_file is not None:
        return from_file
    if len(registration.confirmation.confirmed) == 2:
        return network_focal(scene, [0, 1])
    return default_focal(size)


def _guessed_depth(
    scene: Reconstruction, pixels: Float[Tensor, "matches 2"]
) -> Float[Tensor, " matches"]:
    """The network's depth in the first view; 0 where it says nothing of use."""
    if scene.depth is None:
        return torch.zeros(len(pixels), dtype=torch.float64)
    height, width = scene.depth.shape[1:]
    at = scene.placements[0].to_processed(pixels).long()
    return scene.depth[0, at[:, 1].clamp(0, height - 1), at[:, 0].clamp(0, width - 1)].double()


def _sparse_points(
    points: Float[Tensor, "matches 3"], matches: RowMatches, originals: Originals
) -> SparsePoints:
    photo = torch.from_numpy(np.array(originals[0]))
    x, y = matches.pixels[0].long().unbind(-1)
    colors = photo[y.clamp(0, photo.shape[0] - 1), x.clamp(0, photo.shape[1] - 1)]
    number = torch.arange(len(points))
    return SparsePoints(
        points,
        colors,
        torch.tensor([0, 1]).repeat_interleave(len(points)),
        number.repeat(2),
        matches.pixels.flatten(0, 1),
    )
