"""Depth swept along the rays of all views, by how alike what they would see is.

A network guesses from one photo how far away things are; cameras that moved know better. Every cell
of a view tries depths around the guess (Collins, "A space-sweep approach to true multi-image
matching", CVPR 1996). Seen from the best partners of its view each lies at some place, and the
cells' descriptors say how likely it is that it is the same. What partners say adds up, by how well
the cameras of the pair fit their matches; a cell that is hidden in one of them is merely not found
there. With the guess as a prior that is a distribution over depths, whose mean moves the depth map:
smoothly, and where little was told, little.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.geometry.cameras import camera_rays, pixel_grid, project_points
from glance3d.geometry.pose_encoding import decode_pose
from glance3d.geometry.transforms import invert, transform_points
from glance3d.multiview.matches import Descriptors, grid_to_unit, half_diagonal
from glance3d.multiview.relative_pose import ViewPairMatches
from glance3d.multiview.triangulation import sample_at_places, triangulate

NUM_PARTNERS = 4  # of each view, those whose cameras fit best
_NUM_DEPTHS, _SPAN = 33, 1.2  # tried from so much nearer to so much farther: logarithms
_GUESS_DEVIATION = 0.5  # of the logarithm of a depth that is guessed
_FOUND = -5.0  # score above that of not being seen, from where a place counts
_REACH = 0.08  # deviation of the mean of neighbouring cells, in half diagonals
_UNMOVED = 0.02  # cells that want no change, in fully certain ones
_CERTAIN = 0.1  # deviation of a certain cell's depth, as a logarithm
_OFF = 0.3  # logarithm: a cell that is so far off its neighbours counts half
_STEPS = 2


@torch.no_grad()
def sweep_depth_by_descriptors(
    described: Descriptors,
    pairs: ViewPairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    depth: Float[Tensor, "batch views height width"],
) -> Float[Tensor, "batch views height width"]:
    """Depth maps moved to where the views agree; translations must have depth's unit of length."""
    with torch.autocast(depth.device.type, enabled=False):
        depth, pose_enc = depth.float(), pose_enc.float()
        size = (depth.shape[-2], depth.shape[-1])
        guess = F.interpolate(depth.log(), size=described.grid, mode="area")
        partners, weight = choose_partners(pairs, pose_enc, size)
        change, deviation = _sweep(described, pose_enc, guess, partners, weight)
        field = _smooth(change, deviation, described.grid)
        moved = F.interpolate(field, size=size, mode="bilinear", align_corners=False)
    return depth * moved.exp()


def choose_partners(
    pairs: ViewPairMatches, pose_enc: Float[Tensor, "batch views 9"], size: tuple[int, int]
) -> tuple[Int[Tensor, "batch views partners"], Float[Tensor, "batch views partners"]]:
    """The views that tell most about each view's depth, and how much what they say counts.

    That is the share of the pair's matches that fits its cameras and crosses at an angle.
    """
    batch, views = pose_enc.shape[:2]
    _, trust = triangulate(pairs, pose_enc, size)
    fits = (pairs.weight * trust).sum(-1)
    of_views = fits.new_zeros(batch, views * views)
    for first, second in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        of_views = of_views.scatter(1, first * views + second, fits)
    best = of_views.unflatten(1, (views, views)).topk(min(NUM_PARTNERS, views - 1), -1)
    return best.indices, best.values


def _sweep(
    described: Descriptors,
    pose_enc: Float[Tensor, "batch views 9"],
    guess: Float[Tensor, "batch views rows columns"],
    partners: Int[Tensor, "batch views partners"],
    weight: Float[Tensor, "batch views partners"],
) -> tuple[Float[Tensor, "batch views cells"], Float[Tensor, "batch views cells"]]:
    """How much farther each cell is than guessed, and how sure that is: logarithms."""
    batch, views, cells = described.descriptors.shape[:3]
    cameras, intrinsics = decode_pose(pose_enc, *described.grid)  # whose pixels are cells
    centers = pixel_grid(*described.grid, device=guess.device).flatten(0, 1).expand(batch, -1, -1)
    steps = torch.linspace(-_SPAN, _SPAN, _NUM_DEPTHS, device=guess.device)
    prior = -((steps / _GUESS_DEVIATION) ** 2) / 2
    scene = torch.arange(batch, device=guess.device)
    change, deviation = guess.new_empty(2, batch, views, cells)
    for view in range(views):
        depths = (guess[:, view].flatten(1)[..., None] + steps).exp()
        points = camera_rays(centers, intrinsics[:, view])[:, :, None] * depths[..., None]
        points = transform_points(invert(cameras[:, view]), points.flatten(1, 2))
        evidence = prior.expand_as(depths)
        for slot in range(partners.shape[-1]):
            partner = partners[:, view, slot]
            there = cameras[scene, partner], intrinsics[scene, partner]
            places, away = project_points(points, *there)
            places, away = (x.unflatten(1, (cells, -1)) for x in (places, away))
            alike = _matching_scores(described, view, partner, places)
            found = F.softplus(alike - described.unseen - _FOUND)
            found = torch.where(_in_view(places, away, described.grid), found, 0.0)
            evidence = evidence + weight[:, view, slot, None, None] * found
        chance = evidence.softmax(-1)
        mean = (chance * steps).sum(-1)
        change[:, view] = mean
        spread = (chance * steps**2).sum(-1) - mean**2
        deviation[:, view] = spread.clamp(min=0).sqrt()
    return change, deviation


def _matching_scores(
    described: Descriptors,
    view: int,
    partner: Int[Tensor, " batch"],
    places: Float[Tensor, "batch cells depths 2"],
) -> Float[Tensor, "batch cells depths"]:
    """Scores of a view's cells at places of a partner, between the scores of cells there."""
    scene = torch.arange(len(partner), device=partner.device)
    descriptors = described.descriptors.float()
    scores = described.sharpness * descriptors[:, view] @ descriptors[scene, partner].mT
    at = grid_to_unit(places - 0.5, described.grid)
    return sample_at_places(scores.unflatten(-1, described.grid), at)


def _in_view(
    places: Float[Tensor, "batch cells depths 2"],
    away: Float[Tensor, "batch cells depths"],
    grid: tuple[int, int],
) -> Bool[Tensor, "batch cells depths"]:
    """Whether places, in cells from the corner, are in the picture and before the camera."""
    (x, y), (rows, columns) = places.unbind(-1), grid
    return (x > 0) & (x < columns) & (y > 0) & (y < rows) & (away > 0)


def _smooth(
    change: Float[Tensor, "batch views cells"],
    deviation: Float[Tensor, "batch views cells"],
    grid: tuple[int, int],
) -> Float[Tensor, "batch views rows columns"]:
    """The mean of neighbouring cells, by how sure and how near they are; 0 if nothing is told."""
    unsure, told = _GUESS_DEVIATION**2 + _CERTAIN**2, deviation**2 + _CERTAIN**2
    trust = _CERTAIN**2 * (1 / told - 1 / unsure).clamp(min=0)
    change, trust = (x.unflatten(-1, grid) for x in (change, trust))
    rows, columns = (_nearness(cells, half_diagonal(grid), change.device) for cells in grid)
    field = torch.zeros_like(change)
    for _ in range(_STEPS):
        weight = trust / (1 + ((change - field) / _OFF) ** 2)
        field = (rows @ (weight * change) @ columns) / (rows @ weight @ columns + _UNMOVED)
    return field


def _nearness(
    cells: int, half_diagonal_cells: float, device: torch.device
) -> Float[Tensor, "cells cells"]:
    """Of cells in a row to each other: one factor of a Gaussian's two."""
    index = torch.arange(cells, device=device) / half_diagonal_cells
    return torch.exp(-((index[:, None] - index) ** 2) / (2 * _REACH**2))
