"""The correspondence head: where each place of a view is in the other views.

Left to itself, attention of a small network takes very long to discover which tokens show the same
thing. Here descriptors of cells, each a quarter of a patch, are compared outright, as in LoFTR (Sun
et al. 2021). Matches are read without gradients: true correspondences teach the descriptors
(:mod:`glance3d.training.losses.correspondence`), and with them all layers below, and what judges
the matches of two views learns to live with the matches it gets.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.config import CorrespondenceConfig
from glance3d.models.heads.pair_pose_network import PairPoseNet
from glance3d.multiview.matches import Correspondence, Descriptors, PairEstimates, SoftMatches
from glance3d.multiview.matching.chosen_pairs import (
    choose_pairs,
    match_pairs,
    view_likeness,
)
from glance3d.multiview.matching.soft_matches import find_matches
from glance3d.multiview.matching.subpixel import refine_matches_subpixel, refine_pairs_subpixel
from glance3d.multiview.options import MultiviewOptions
from glance3d.nn.precision import LayerNorm, Linear, only_predicts

CELLS_PER_PATCH_SIDE = 2
MATCHES_OF_A_PAIR = 512  # from either side: what large pictures have more than that is not needed
PAIRS_AT_A_TIME = 256  # of views, while only predicting: bounds the memory of many views


class CorrespondenceHead(nn.Module):
    """Patch tokens and the stem's maps to descriptors; descriptors of all views to matches."""

    def __init__(
        self,
        config: CorrespondenceConfig,
        dim: int,
        map_channels: int,
        options: MultiviewOptions,
    ) -> None:
        super().__init__()
        self.config, self.options = config, options
        self.descriptors = CellDescriptors(map_channels, dim, config.descriptor_dim)
        # In tens, so that a small step of the optimiser is a large one of theirs.
        self.sharpness_in_tens = nn.Parameter(torch.tensor(2.0))
        self.unseen_in_tens = nn.Parameter(torch.tensor(1.0))
        self.relations = PairPoseNet(config, options.eight_point)

    def describe(
        self,
        patches: Float[Tensor, "batch views patches dim"],
        maps: Float[Tensor, "batch_views channels rows columns"],
    ) -> Descriptors:
        """The cells of all views, from layer ``config.layer``; one pixel of the maps is a cell."""
        descriptors = self.descriptors(maps, patches.flatten(0, 1))
        return Descriptors(
            descriptors.unflatten(0, patches.shape[:2]),
            (maps.shape[-2], maps.shape[-1]),
            10 * self.sharpness_in_tens,
            10 * self.unseen_in_tens,
        )

    def forward(
        self, described: Descriptors, images: Float[Tensor, "batch views 3 height width"]
    ) -> Correspondence:
        """Match the cells of all views, the surest exactly, and judge each two views by them.

        Of many views only pairs that look alike are matched.
        """
        num_views = images.shape[1]
        per_view = self.options.pair_selection.candidates_per_view
        if num_views * per_view < num_views * (num_views - 1) // 2:
            return self._match_alike(described, images, per_view)
        grid = described.grid
        matches = find_matches(*described, self.config.window_radius).best(MATCHES_OF_A_PAIR)
        if self.config.sharpen_radius:
            radius, options = self.config.sharpen_radius, self.options.subpixel
            matches = refine_matches_subpixel(matches, images, grid, radius, options)
        step = max(1, PAIRS_AT_A_TIME // num_views) if only_predicts(images) else num_views
        parts = [
            self.relations(matches.of_views(start, start + step), grid, start)
            for start in range(0, num_views, step)
        ]
        estimates = PairEstimates(*(torch.cat(part, 1) for part in zip(*parts, strict=True)))
        return Correspondence(described, matches, estimates)

    def _match_alike(
        self,
        described: Descriptors,
        images: Float[Tensor, "batch views 3 height width"],
        pairs_per_view: int,
    ) -> Correspondence:
        grid, radius = described.grid, self.config.window_radius
        likeness = view_likeness(described)
        pairs = choose_pairs(likeness, pairs_per_view)
        matches = match_pairs(described, pairs, radius, MATCHES_OF_A_PAIR)
        if self.config.sharpen_radius:
            radius, options = self.config.sharpen_radius, self.options.subpixel
            matches = refine_pairs_subpixel(matches, images, pairs, grid, radius, options)
        parts = [
            self.relations(SoftMatches(*chunk), grid, None)
            for chunk in zip(*(part.split(PAIRS_AT_A_TIME, 2) for part in matches), strict=True)
        ]
        estimates = PairEstimates(*(torch.cat(part, 2) for part in zip(*parts, strict=True)))
        return Correspondence(described, matches, estimates, pairs, likeness)


class CellDescriptors(nn.Module):
    """A unit vector for each cell, from the stem's maps and the tokens around it."""

    def __init__(self, map_channels: int, dim: int, descriptor_dim: int) -> None:
        super().__init__()
        self.token_norm = LayerNorm(dim)
        self.from_tokens = Linear(dim, CELLS_PER_PATCH_SIDE**2 * descriptor_dim)
        self.from_maps = nn.Conv2d(map_channels, descriptor_dim, 1)
        self.mix = nn.Conv2d(descriptor_dim, descriptor_dim, 3, padding=1)
        self.out = nn.Conv2d(descriptor_dim, descriptor_dim, 1)

    def forward(
        self,
        maps: Float[Tensor, "views channels rows columns"],
        patches: Float[Tensor, "views patches dim"],
    ) -> Float[Tensor, "views cells descriptor_dim"]:
        """Descriptors in float32, row by row."""
        coarse = (maps.shape[-2] // CELLS_PER_PATCH_SIDE, maps.shape[-1] // CELLS_PER_PATCH_SIDE)
        of_tokens = self.from_tokens(self.token_norm(patches)).transpose(1, 2).unflatten(2, coarse)
        x = self.from_maps(maps) + F.pixel_shuffle(of_tokens, CELLS_PER_PATCH_SIDE)
        x = x + self.mix(F.gelu(x))
        return F.normalize(self.out(F.gelu(x)).float().flatten(2).transpose(1, 2), dim=-1)
