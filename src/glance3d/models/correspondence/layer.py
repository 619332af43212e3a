"""The correspondence layer: match the views early, and tell the tokens what the matches say.

Left to itself, attention of a small network takes very long to discover which tokens show the same
thing. Here descriptors are compared outright, as in LoFTR (Sun et al. 2021): what each match says
goes to the tokens of its place, what all matches of two views say together to the camera tokens.
Matches are read without gradients: true correspondences teach the descriptors
(:mod:`glance3d.training.correspondence_loss`), and everything after them learns to live with the
matches it gets.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.config import CorrespondenceConfig
from glance3d.models.correspondence.matches import Matches, find_matches
from glance3d.models.correspondence.relations import PairRelations, Relations
from glance3d.models.correspondence.sharpening import sharpen_matches
from glance3d.nn.precision import LayerNorm, Linear, only_predicts

CELLS_PER_PATCH_SIDE = 2
PAIRS_AT_A_TIME = 256  # of views, while only predicting: bounds the memory of many views


class Descriptions(NamedTuple):
    """A unit vector for each cell, row by row on ``grid``; how sharply they are told apart.

    ``unseen`` is the score of not being in a view at all.
    """

    descriptors: Float[Tensor, "batch views cells dim"]
    grid: tuple[int, int]
    sharpness: Float[Tensor, ""]
    unseen: Float[Tensor, ""]


class Correspondence(NamedTuple):
    """What the layer found.

    While only predicting, ``relations`` have no channels of ``cells``.
    """

    described: Descriptions
    matches: Matches
    relations: Relations

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the cells."""
        return self.described.grid


class CorrespondenceLayer(nn.Module):
    """Tokens in, the same tokens with news of the other views added; nothing for a single view.

    A token hears of its cells' matches in the reference view, and of the weighted mean over all
    other views; a camera token of the pairs its view forms, likewise. The order of the views after
    the first therefore does not matter. What is added starts at zero.
    """

    def __init__(self, config: CorrespondenceConfig, dim: int, map_channels: int) -> None:
        super().__init__()
        self.config = config
        self.descriptors = CellDescriptors(map_channels, dim, config.descriptor_dim)
        # In tens, so that a small step of the optimiser is a large one of theirs.
        self.sharpness_in_tens = nn.Parameter(torch.tensor(2.0))
        self.unseen_in_tens = nn.Parameter(torch.tensor(1.0))
        self.relations = PairRelations(config)
        of_patch = config.hidden_dim * CELLS_PER_PATCH_SIDE**2
        self.token_from_reference = _zero_linear(of_patch, dim)
        self.token_from_others = _zero_linear(of_patch, dim)
        self.camera_from_reference = _zero_linear(config.pair_dim, dim)
        self.camera_from_others = _zero_linear(config.pair_dim, dim)

    def forward(
        self,
        tokens: Float[Tensor, "batch views tokens dim"],
        maps: Float[Tensor, "batch views channels rows columns"],
        patch_start_idx: int,
        images: Float[Tensor, "batch views 3 height width"],
    ) -> tuple[Float[Tensor, "batch views tokens dim"], Correspondence | None]:
        """Tokens of all views, the stem's maps with one pixel a cell, and the pictures."""
        if tokens.shape[1] == 1:
            return tokens, None
        described = self.describe(tokens, maps, patch_start_idx)
        grid = described.grid
        matches = find_matches(*described, self.config.window_radius)
        if self.config.sharpen_radius:
            matches = sharpen_matches(matches, images, grid, self.config.sharpen_radius)
        num_views = tokens.shape[1]
        step = max(1, PAIRS_AT_A_TIME // num_views) if only_predicts(tokens) else num_views
        news = [
            self._news_of_views(matches.of_views(start, start + step), start, grid)
            for start in range(0, num_views, step)
        ]
        camera, patch_news, relations = _join(news)
        special, patches = tokens[:, :, 1:patch_start_idx], tokens[:, :, patch_start_idx:]
        told = [tokens[:, :, :1] + camera[:, :, None], special, patches + patch_news]
        return torch.cat(told, 2), Correspondence(described, matches, relations)

    def describe(
        self,
        tokens: Float[Tensor, "batch views tokens dim"],
        maps: Float[Tensor, "batch views channels rows columns"],
        patch_start_idx: int,
    ) -> Descriptions:
        """The cells of all views, before anything is matched."""
        patches = tokens[:, :, patch_start_idx:]
        descriptors = self.descriptors(maps.flatten(0, 1), patches.flatten(0, 1))
        return Descriptions(
            descriptors.unflatten(0, tokens.shape[:2]),
            (maps.shape[-2], maps.shape[-1]),
            10 * self.sharpness_in_tens,
            10 * self.unseen_in_tens,
        )

    def _news_of_views(self, matches: Matches, first_view: int, grid: tuple[int, int]) -> "_News":
        """What is to be added to the tokens of some views, the first of which is ``first_view``."""
        relations = self.relations(matches, grid, first_view)
        is_other = torch.ones(matches.inside.shape[1], 1, 1, device=relations.cells.device)
        if first_view == 0:
            is_other[0] = 0.0
        patches = self._for_patches(relations, grid, is_other)
        camera = self._for_cameras(relations, is_other[..., 0])
        if not torch.is_grad_enabled():  # nobody teaches: of many views this is most of the memory
            # Cloned: a view, even of nothing, would keep all of it.
            relations = relations._replace(cells=relations.cells[..., :0].clone())
        return _News(camera, patches, relations)

    def _for_patches(
        self, relations: Relations, grid: tuple[int, int], is_other: Float[Tensor, "own 1 1"]
    ) -> Float[Tensor, "batch own patches dim"]:
        """From each cell's match in the reference view (itself aside), and in all others."""
        cells, weight = relations.cells, relations.weight[..., None].to(relations.cells.dtype)
        reference = cells[:, :, 0] * is_other.to(cells.dtype)
        share = weight / (weight.sum(2, keepdim=True) + 1e-2)
        others = (share * cells).sum(2)
        said = self.token_from_reference(cells_to_patches(reference, grid))
        return said + self.token_from_others(cells_to_patches(others, grid))

    def _for_cameras(
        self, relations: Relations, is_other: Float[Tensor, "own 1"]
    ) -> Float[Tensor, "batch own dim"]:
        pairs, weight = relations.pairs, relations.weight.mean(-1, keepdim=True)
        reference = pairs[:, :, 0] * is_other.to(pairs.dtype)
        others = (weight / (weight.sum(2, keepdim=True) + 1e-3) * pairs).sum(2)
        return self.camera_from_reference(reference) + self.camera_from_others(others)


class _News(NamedTuple):
    """What is added to the tokens of some views, and where it comes from."""

    camera: Float[Tensor, "batch own dim"]
    patches: Float[Tensor, "batch own patches dim"]
    relations: Relations


def _join(news: list[_News]) -> _News:
    """News of some views each as news of all."""
    if len(news) == 1:
        return news[0]
    camera = torch.cat([some.camera for some in news], 1)
    patches = torch.cat([some.patches for some in news], 1)
    relations = (torch.cat(parts, 1) for parts in zip(*(n.relations for n in news), strict=True))
    return _News(camera, patches, Relations(*relations))


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


def cells_to_patches(
    cells: Float[Tensor, "batch views cells channels"], grid: tuple[int, int]
) -> Float[Tensor, "batch views patches patch_channels"]:
    """The cells of each patch side by side; ``grid`` is (rows, columns) of the cells."""
    side = CELLS_PER_PATCH_SIDE
    split = cells.unflatten(2, (grid[0] // side, side, grid[1] // side, side))
    return split.permute(0, 1, 2, 4, 3, 5, 6).flatten(4).flatten(2, 3)


def _zero_linear(in_dim: int, out_dim: int) -> Linear:
    layer = Linear(in_dim, out_dim, bias=False)
    nn.init.zeros_(layer.weight)
    return layer
