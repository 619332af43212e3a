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
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.geometry.transforms import rotation_from_quat_xyzw
from glance3d.models.correspondence.head import Descriptions
from glance3d.models.correspondence.matches import cell_positions, half_diagonal
from glance3d.models.correspondence.pair_poses import PairMatches
from glance3d.models.correspondence.triangulation import triangulate
from glance3d.nn.tables import constant

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
def sweep_depth(
    described: Descriptions,
    pairs: PairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    depth: Float[Tensor, "batch views height width"],
) -> Float[Tensor, "batch views height width"]:
    """Depth maps moved to where the views agree; translations must have depth's unit of length."""
    with torch.autocast(depth.device.type, enabled=False):
        depth, pose_enc = depth.float(), pose_enc.float()
        size = (depth.shape[-2], depth.shape[-1])
        guess = F.interpolate(depth.log(), size=described.grid, mode="area")
        partners, weight = choose_partners(pairs, pose_enc, size)
        change, deviation = _sweep(described, pose_enc, size, guess, partners, weight)
        field = _smooth(change, deviation, described.grid)
        moved = F.interpolate(field, size=size, mode="bilinear", align_corners=False)
    return depth * moved.exp()


def choose_partners(
    pairs: PairMatches, pose_enc: Float[Tensor, "batch views 9"], size: tuple[int, int]
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
    described: Descriptions,
    pose_enc: Float[Tensor, "batch views 9"],
    size: tuple[int, int],
    guess: Float[Tensor, "batch views rows columns"],
    partners: Int[Tensor, "batch views partners"],
    weight: Float[Tensor, "batch views partners"],
) -> tuple[Float[Tensor, "batch views cells"], Float[Tensor, "batch views cells"]]:
    """How much farther each cell is than guessed, and how sure that is: logarithms."""
    batch, views, cells = described.descriptors.shape[:3]
    steps = torch.linspace(-_SPAN, _SPAN, _NUM_DEPTHS, device=guess.device)
    prior = -((steps / _GUESS_DEVIATION) ** 2) / 2
    scene = torch.arange(batch, device=guess.device)
    change, deviation = guess.new_empty(2, batch, views, cells)
    for view in range(views):
        depths = (guess[:, view].flatten(1)[..., None] + steps).exp()
        points = _lift(depths, pose_enc[:, view], size, described.grid)
        evidence = prior.expand_as(depths)
        for slot in range(partners.shape[-1]):
            partner = partners[:, view, slot]
            places, seen = _project(points, pose_enc[scene, partner], size, described.grid)
            alike = _likeness(described, view, partner, places)
            found = torch.where(seen, F.softplus(alike - described.unseen - _FOUND), 0.0)
            evidence = evidence + weight[:, view, slot, None, None] * found
        chance = evidence.softmax(-1)
        mean = (chance * steps).sum(-1)
        change[:, view] = mean
        spread = (chance * steps**2).sum(-1) - mean**2
        deviation[:, view] = spread.clamp(min=0).sqrt()
    return change, deviation


def _lift(
    depths: Float[Tensor, "batch cells depths"],
    pose: Float[Tensor, "batch 9"],
    size: tuple[int, int],
    grid: tuple[int, int],
) -> Float[Tensor, "batch cells depths 3"]:
    """World points before the cells' centres."""
    rotation, translation, focal = _camera(pose, size)
    cell = size[0] / grid[0]
    middle = _middle(grid, depths.device)
    x, y = ((cell_positions(grid, depths.device) - middle) * cell / focal[:, None]).unbind(-1)
    rays = torch.stack([x, y, torch.ones_like(x)], -1)
    return (depths[..., None] * rays[:, :, None] - translation[:, None, None]) @ rotation[:, None]


def _project(
    points: Float[Tensor, "batch cells depths 3"],
    pose: Float[Tensor, "batch 9"],
    size: tuple[int, int],
    grid: tuple[int, int],
) -> tuple[Float[Tensor, "batch cells depths 2"], Tensor]:
    """Where points are on a view's grid of cells, the first cell's centre at 0; whether in view."""
    rotation, translation, focal = _camera(pose, size)
    there = points @ rotation[:, None].mT + translation[:, None, None]
    away = there[..., 2:]
    cell = size[0] / grid[0]
    middle = _middle(grid, points.device)
    places = there[..., :2] / away.clamp(min=1e-6) * focal[:, None, None] / cell + middle
    off = (places - middle).abs()
    inside = (off[..., 0] < grid[1] / 2) & (off[..., 1] < grid[0] / 2)
    return places, inside & (away[..., 0] > 1e-6)


def _middle(grid: tuple[int, int], device: torch.device) -> Float[Tensor, "2"]:
    """The view's centre, counted from the first cell's, as (x, y)."""
    return constant(((grid[1] - 1) / 2, (grid[0] - 1) / 2), device)


def _camera(pose: Float[Tensor, "batch 9"], size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Rotation, translation, and focal lengths (x, y) in pixels [batch, 2]."""
    rotation = rotation_from_quat_xyzw(F.normalize(pose[..., 3:7], dim=-1))
    half_y, half_x = (pose[..., 7:] / 2).tan().unbind(-1)
    focal = torch.stack([size[1] / 2 / half_x, size[0] / 2 / half_y], -1)
    return rotation, pose[..., :3], focal


def _likeness(
    described: Descriptions,
    view: int,
    partner: Int[Tensor, " batch"],
    places: Float[Tensor, "batch cells depths 2"],
) -> Float[Tensor, "batch cells depths"]:
    """Scores of a view's cells at places of a partner, between the scores of cells there."""
    scene = torch.arange(len(partner), device=partner.device)
    descriptors = described.descriptors.float()
    scores = described.sharpness * descriptors[:, view] @ descriptors[scene, partner].mT
    rows, columns = described.grid
    corner = places.floor()
    share = places - corner
    total = torch.zeros_like(places[..., 0])
    for right in (0, 1):
        for below in (0, 1):
            x = (corner[..., 0] + right).clamp(0, columns - 1).long()
            y = (corner[..., 1] + below).clamp(0, rows - 1).long()
            along = share[..., 0] if right else 1 - share[..., 0]
            down = share[..., 1] if below else 1 - share[..., 1]
            total = total + along * down * scores.gather(-1, y * columns + x)
    return total


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
