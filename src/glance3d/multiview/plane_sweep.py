"""Plane sweep: where pixels lie in another view at each of many depths, and depth by descriptors.

:class:`PlaneWarp` is the warp between two photos that measured depth is made with
(:mod:`glance3d.densification`). The second half sweeps a network's depth: a network guesses from
one photo how far away things are; cameras that moved know better. Every cell of a view tries depths
around the guess (Collins, "A space-sweep approach to true multi-image matching", CVPR 1996). Seen
from the best partners of its view each lies at some place, and the cells' descriptors say how
likely it is that it is the same. What partners say adds up, by how well the cameras of the pair fit
their matches; a cell that is hidden in one of them merely has no match there. With the guess as a
prior that is a distribution over depths, whose mean moves the depth map: smoothly, and where little
is known, little.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.geometry.cameras import camera_rays, pixel_grid, project_points
from glance3d.geometry.pose_encoding import decode_pose
from glance3d.geometry.transforms import invert, transform_points
from glance3d.multiview.matches import Descriptors, ViewPairMatches, grid_to_hd, half_diagonal
from glance3d.multiview.options import MultiviewOptions, PlaneSweepOptions, TriangulationOptions
from glance3d.multiview.triangulation import sample_at_hd, triangulate_matches
from glance3d.nn.precision import autocast


@dataclass(frozen=True)
class PlaneWarp:
    """Where the pixels of one view lie in another, as a function of inverse depth.

    The pixel at inverse depth w lies at (a + b w) of the other view, in homogeneous coordinates
    that run from -1 to 1 over its image: ``a = K R ray`` (the image of infinity) and ``b = K t``.
    """

    a: Float[Tensor, "3 height width"]
    b: Float[Tensor, "3"]

    @classmethod
    def between(
        cls,
        rays: Float[Tensor, "height width 3"],
        other_from_cam: Float[Tensor, "3 4"],
        intrinsics: Float[Tensor, "3 3"],
        size: tuple[int, int],
    ) -> "PlaneWarp":
        """From the view of ``rays`` (with z = 1) to a pinhole image of ``size`` (height, width)."""
        height, width = size
        normalise = torch.tensor([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1.0]])
        projection = normalise @ intrinsics
        a = rays @ (projection @ other_from_cam[:, :3].float()).T
        return cls(a.permute(2, 0, 1).contiguous(), projection @ other_from_cam[:, 3].float())

    def grid(
        self, inverse_depth: Float[Tensor, "planes _height _width"]
    ) -> tuple[Float[Tensor, "planes height width 2"], Bool[Tensor, "planes height width"]]:
        """Positions for ``grid_sample``, and which of them the other view sees."""
        # (x, y, z) = a + b w, divided by z; in place, since there are many planes.
        z = torch.addcmul(self.a[2], inverse_depth, self.b[2])
        in_front = z > 1e-6
        z.clamp_(min=1e-6).reciprocal_()
        x = torch.addcmul(self.a[0], inverse_depth, self.b[0]).mul_(z)
        y = torch.addcmul(self.a[1], inverse_depth, self.b[1]).mul_(z)
        inside = (torch.maximum(x.abs(), y.abs()) <= 1) & in_front
        return torch.stack([x, y], -1), inside


@torch.no_grad()
def sweep_depth_by_descriptors(
    described: Descriptors,
    pairs: ViewPairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    depth: Float[Tensor, "batch views height width"],
    options: MultiviewOptions,
) -> Float[Tensor, "batch views height width"]:
    """Depth maps moved to where the views agree; translations must have depth's unit of length."""
    sweep = options.plane_sweep
    with autocast(depth, enabled=False):
        depth, pose_enc = depth.float(), pose_enc.float()
        size = (depth.shape[-2], depth.shape[-1])
        # The mean of logarithms: a geometric mean of each cell's depths.
        log_guess = F.interpolate(depth.log(), size=described.grid, mode="area")
        partners, weight = choose_partners(
            pairs, pose_enc, size, sweep.num_partners, options.triangulation
        )
        change, deviation = sweep_descriptors(
            described, pose_enc, log_guess, partners, weight, sweep
        )
        field = _smooth(change, deviation, described.grid, sweep)
        moved = F.interpolate(field, size=size, mode="bilinear", align_corners=False)
    return depth * moved.exp()


def choose_partners(
    pairs: ViewPairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    size: tuple[int, int],
    num_partners: int,
    options: TriangulationOptions,
) -> tuple[Int[Tensor, "batch views partners"], Float[Tensor, "batch views partners"]]:
    """The views that tell most about each view's depth, and how much what they say counts.

    That is the share of the pair's matches that fits its cameras and crosses at an angle.
    """
    batch, views = pose_enc.shape[:2]
    _, trust = triangulate_matches(pairs, pose_enc, size, options)
    share = (pairs.weight * trust).sum(-1)
    of_views = share.new_zeros(batch, views * views)
    # of_views[b, v * views + w] is how much partner w tells of view v; pairs count both ways.
    for first, second in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        of_views = of_views.scatter(1, first * views + second, share)
    best = of_views.unflatten(1, (views, views)).topk(min(num_partners, views - 1), -1)
    return best.indices, best.values


def sweep_descriptors(
    described: Descriptors,
    pose_enc: Float[Tensor, "batch views 9"],
    log_guess: Float[Tensor, "batch views rows columns"],
    partners: Int[Tensor, "batch views partners"],
    weight: Float[Tensor, "batch views partners"],
    options: PlaneSweepOptions,
) -> tuple[Float[Tensor, "batch views cells"], Float[Tensor, "batch views cells"]]:
    """How much farther each cell is than guessed, and how sure that is: logarithms.

    The posterior of a depth is the prior (a Gaussian about the guess) times, for every partner,
    ``(1 + exp(score - dustbin score - min_score)) ^ weight``: what is hidden there says nothing.
    """
    batch, views, cells = described.descriptors.shape[:3]
    cameras, intrinsics = decode_pose(pose_enc, *described.grid)  # whose pixels are cells
    device = log_guess.device
    centers = pixel_grid(*described.grid, device=device).flatten(0, 1).expand(batch, -1, -1)
    steps = torch.linspace(-options.span, options.span, options.num_depths, device=device)
    prior = -((steps / options.guess_deviation) ** 2) / 2
    scene = torch.arange(batch, device=device)
    change, deviation = log_guess.new_empty(2, batch, views, cells)
    for view in range(views):
        depths = (log_guess[:, view].flatten(1)[..., None] + steps).exp()
        # All depths of all cells of one view, in the world: [batch, cells * depths, 3].
        points = camera_rays(centers, intrinsics[:, view])[:, :, None] * depths[..., None]
        points = transform_points(invert(cameras[:, view]), points.flatten(1, 2))
        log_posterior = prior.expand_as(depths)
        for slot in range(partners.shape[-1]):
            partner = partners[:, view, slot]
            pixels, z = project_points(points, cameras[scene, partner], intrinsics[scene, partner])
            pixels, z = (part.unflatten(1, (cells, -1)) for part in (pixels, z))
            scores = _matching_scores(described, view, partner, pixels)
            evidence = F.softplus(scores - described.dustbin_score - options.min_score)
            evidence = torch.where(_in_view(pixels, z, described.grid), evidence, 0.0)
            log_posterior = log_posterior + weight[:, view, slot, None, None] * evidence
        posterior = log_posterior.softmax(-1)
        # Mean and variance of the posterior over the steps, which are logarithms of depth.
        mean = (posterior * steps).sum(-1)
        change[:, view] = mean
        variance = (posterior * steps**2).sum(-1) - mean**2
        deviation[:, view] = variance.clamp(min=0).sqrt()
    return change, deviation


def _matching_scores(
    described: Descriptors,
    view: int,
    partner: Int[Tensor, " batch"],
    pixels: Float[Tensor, "batch cells depths 2"],
) -> Float[Tensor, "batch cells depths"]:
    """Scores of a view's cells at places of a partner, between the scores of cells there."""
    scene = torch.arange(len(partner), device=partner.device)
    descriptors = described.descriptors.float()
    scores = described.inverse_temperature * descriptors[:, view] @ descriptors[scene, partner].mT
    # Pixels count from the corner of the first cell, places on the grid from its centre.
    xy_hd = grid_to_hd(pixels - 0.5, described.grid)
    return sample_at_hd(scores.unflatten(-1, described.grid), xy_hd)


def _in_view(
    pixels: Float[Tensor, "batch cells depths 2"],
    z: Float[Tensor, "batch cells depths"],
    grid: tuple[int, int],
) -> Bool[Tensor, "batch cells depths"]:
    """Whether places, in cells from the corner, are in the picture and before the camera."""
    (x, y), (rows, columns) = pixels.unbind(-1), grid
    return (x > 0) & (x < columns) & (y > 0) & (y < rows) & (z > 0)


def _smooth(
    change: Float[Tensor, "batch views cells"],
    deviation: Float[Tensor, "batch views cells"],
    grid: tuple[int, int],
    options: PlaneSweepOptions,
) -> Float[Tensor, "batch views rows columns"]:
    """The mean of neighbouring cells, by how sure and how near they are; 0 if nothing is known."""
    certain = options.certain**2
    # How much more precise (inverse variance) the sweep is than the guess, 1 for a certain cell.
    unsure, variance = options.guess_deviation**2 + certain, deviation**2 + certain
    trust = certain * (1 / variance - 1 / unsure).clamp(min=0)
    change, trust = (x.unflatten(-1, grid) for x in (change, trust))
    half, deviation_hd = half_diagonal(grid), options.smoothing_hd
    rows, columns = (_gaussian(cells, half, deviation_hd, change.device) for cells in grid)
    field = torch.zeros_like(change)
    for _ in range(options.smoothing_rounds):
        # Cauchy weights against the field so far; a separable Gaussian on either side.
        weight = trust / (1 + ((change - field) / options.outlier) ** 2)
        field = (rows @ (weight * change) @ columns) / (rows @ weight @ columns + options.unmoved)
    return field


def _gaussian(
    cells: int, half_diagonal_cells: float, deviation_hd: float, device: torch.device
) -> Float[Tensor, "cells cells"]:
    """Weights of cells in a row for each other: one factor of a Gaussian's two."""
    index = torch.arange(cells, device=device) / half_diagonal_cells
    return torch.exp(-((index[:, None] - index) ** 2) / (2 * deviation_hd**2))
