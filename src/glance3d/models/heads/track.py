"""The track head: feature maps by DPT and a CoTracker-style tracker on them (VGGT, section 3.3).

Coordinates inside are pixels of the half-resolution map whose first pixel's centre is 0; queries
and tracks outside are in image pixels, twice those. Everything runs in float32.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.distributed.views import ViewShare
from glance3d.errors import InputError
from glance3d.models.config import TrackHeadConfig
from glance3d.models.heads.correlation import (
    build_pyramid,
    correlate,
    embed_flow,
    embed_query_positions,
)
from glance3d.models.heads.dpt import DPTFeatures, Projected, map_views
from glance3d.models.heads.update_transformer import UpdateTransformer
from glance3d.models.tokens import AggregatedTokens
from glance3d.multiview.matching.descriptor_tracking import FEATURE_STRIDE
from glance3d.nn.chunks import chunk_views
from glance3d.nn.initial_values import normal_parameter
from glance3d.nn.mlp import Mlp
from glance3d.nn.precision import LayerNorm, Linear
from glance3d.nn.sampling import sample_bilinear

TrackIterations = Float[Tensor, "iterations batch views queries 2"]


class TrackHead(nn.Module):
    """Query points of the first view to their positions in every view."""

    def __init__(
        self, dim: int, config: TrackHeadConfig, map_channels: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.min_image_side = 2**config.pyramid_levels
        self.feature_extractor = DPTFeatures(
            dim, config.features, config.latent_dim, uv=False, map_channels=map_channels
        )
        self.tracker = Tracker(config)

    def features(
        self, tokens: AggregatedTokens, image_size: tuple[int, int], grid: tuple[int, int]
    ) -> Float[Tensor, "batch views channels half_height half_width"]:
        """Feature maps at half the image's resolution, before the tracker's own norm."""
        aspect = image_size[1] / image_size[0]
        projected = self.feature_extractor.project_tokens(tokens, grid, aspect)
        batch_views = tokens.layers[self.feature_extractor.layers[0]].shape[:2]
        return self.fuse(projected, image_size, grid).unflatten(0, batch_views)

    def fuse(
        self, projected: Projected, image_size: tuple[int, int], grid: tuple[int, int]
    ) -> Float[Tensor, "batch_views channels half_height half_width"]:
        """The same of layers that were projected as they were made."""
        size = (image_size[0] // FEATURE_STRIDE, image_size[1] // FEATURE_STRIDE)

        def extract(levels: list[Tensor]) -> tuple[Tensor]:
            x = self.feature_extractor.fuse(levels, grid)
            if x.shape[-2:] != size:  # they are the same with patches of 16 pixels
                x = F.interpolate(x, size=size, mode="bilinear", align_corners=True)
            return (x.float().contiguous(),)

        return map_views(extract, projected, chunk_views(image_size, projected[0].device))[0]

    def descriptors(
        self, maps: Float[Tensor, "*views channels half_height half_width"]
    ) -> Float[Tensor, "*views channels half_height half_width"]:
        """The maps as their cells are compared: under the tracker's norm, of unit length."""
        normed = self.tracker.map_norm(maps.movedim(-3, -1)).float()
        return F.normalize(normed, dim=-1).movedim(-1, -3)

    def forward(
        self,
        projected: Projected,
        image_size: tuple[int, int],
        grid: tuple[int, int],
        query_points: Float[Tensor, "batch queries 2"],
        share: ViewShare | None = None,
    ) -> tuple[TrackIterations, Tensor, Tensor]:
        """Tracks of every iteration in image pixels, then visibility and confidence in [0, 1].

        With a ``share``, layers are those of its own views, and tracks of all ranks'.
        """
        self.refuse_small(image_size)
        maps = self.fuse(projected, image_size, grid).unflatten(0, (len(query_points), -1))
        queries = query_points.float() / FEATURE_STRIDE
        coords, visibility, confidence = self.tracker(maps, queries, share)
        return coords * FEATURE_STRIDE, visibility, confidence

    def refuse_small(self, image_size: tuple[int, int]) -> None:
        """Raise InputError for images that the correlation pyramid is too high for."""
        if min(image_size) < self.min_image_side:
            raise InputError(
                f"tracks need images of at least {self.min_image_side} pixels a side for the "
                f"correlation pyramid, got {image_size[1]} x {image_size[0]}: use larger images "
                "or leave out 'tracks'"
            )


class Tracker(nn.Module):
    """Iterative refinement of tracks from local correlations (CoTracker, Karaev et al. 2024)."""

    def __init__(self, config: TrackHeadConfig) -> None:
        super().__init__()
        self.config = config
        latent = config.latent_dim
        window = (2 * config.radius + 1) ** 2
        input_dim = 3 * latent + 4
        self.map_norm = LayerNorm(latent)
        self.correlation_mlp = Mlp(config.pyramid_levels * window, config.hidden_dim, latent)
        self.query_ref_token = normal_parameter(1, 2, input_dim, std=1e-2)
        self.update_transformer = UpdateTransformer(input_dim, latent + 2, config)
        self.feature_norm = LayerNorm(latent)
        self.feature_update = Linear(latent, latent)
        self.visibility_head = Linear(latent, 1)
        self.confidence_head = Linear(latent, 1)

    def forward(
        self,
        maps: Float[Tensor, "batch views channels height width"],
        queries: Float[Tensor, "batch queries 2"],
        share: ViewShare | None = None,
    ) -> tuple[TrackIterations, Tensor, Tensor]:
        """Refine from "nothing moved": every view starts at the query, with the query's feature.

        With a ``share``, maps are those of its own views: what they say of all tracks is gathered,
        and the update, which sees all views, is the same in every rank.
        """
        share = share or ViewShare.whole(maps.shape[1])
        num_views = share.num_views
        maps = self.map_norm(maps.movedim(2, -1)).movedim(-1, 2)
        pyramid = build_pyramid(maps, self.config.pyramid_levels)
        # Of the first view, which is rank 0's.
        query_features = share.from_first(sample_bilinear(maps[:, 0], queries, padding="border"))
        features = query_features[:, None].expand(-1, num_views, -1, -1)
        coords = queries[:, None].expand(-1, num_views, -1, -1)
        position = embed_query_positions(queries, maps.shape[-2:], self.query_ref_token.shape[-1])
        identity = self._identity_codes(num_views)
        history = []
        for _ in range(self.config.num_iterations):
            # Each iteration learns its own update (RAFT, Teed and Deng 2020).
            coords = coords.detach()
            inputs = self._inputs(pyramid, coords, features, share)
            inputs = inputs + position[:, None] + identity
            delta = self.update_transformer(inputs)
            features = features + F.gelu(self.feature_update(self.feature_norm(delta[..., 2:])))
            # In its own view a query stays where it is.
            coords = torch.cat([queries[:, None], (coords + delta[..., :2])[:, 1:]], dim=1)
            history.append(coords)
        visibility = self.visibility_head(features).squeeze(-1).sigmoid()
        confidence = self.confidence_head(features).squeeze(-1).sigmoid()
        return torch.stack(history), visibility, confidence

    def _identity_codes(self, num_views: int) -> Float[Tensor, "1 views 1 dim"]:
        """Which view is the queries' own: one code for it, another for all the rest."""
        first, other = self.query_ref_token[:, :1], self.query_ref_token[:, 1:]
        return torch.cat([first, other.expand(-1, num_views - 1, -1)], dim=1)[:, :, None]

    def _inputs(
        self,
        pyramid: list[Float[Tensor, "batch own_views channels _h _w"]],
        coords: Float[Tensor, "batch views queries 2"],
        features: Float[Tensor, "batch views queries channels"],
        share: ViewShare,
    ) -> Float[Tensor, "batch views queries dim"]:
        """What the update sees of each track in each view: motion, correlation, feature."""
        own = share.own
        correlation = correlate(pyramid, coords[:, own], features[:, own], self.config.radius)
        correlation = self.correlation_mlp(correlation / math.sqrt(self.config.latent_dim))
        correlation = share.gathered(correlation)
        flow = embed_flow(coords - coords[:, :1], self.config.latent_dim, self.config.flow_scale)
        return torch.cat([flow, correlation, features], dim=-1)
