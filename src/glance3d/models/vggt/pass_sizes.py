"""Bytes of a pass of VGGT."""

from dataclasses import dataclass

from torch import nn

from glance3d.models.config import CorrespondenceConfig, DPTHeadConfig, VGGTConfig
from glance3d.models.heads.correspondence import (
    CELLS_PER_PATCH_SIDE,
    MATCHES_OF_A_PAIR,
    PAIRS_AT_A_TIME,
)
from glance3d.models.memory.pass_sizes import FLOAT32, IMAGE_CHANNELS, MAP_CHANNELS, PassSizes
from glance3d.models.vggt.network import VGGT
from glance3d.multiview.matching.chosen_pairs import scores_at_a_time
from glance3d.multiview.matching.soft_matches import SCORES_AT_A_TIME
from glance3d.multiview.matching.subpixel import PAIRS_AT_A_TIME as PATCHED_PAIRS

# Of a network that matches views: numbers that are kept of a cell and another view, and tensors of
# scores, of patches and of what is known of matches that are in flight together.
MATCH_NUMBERS, SCORE_COPIES, PATCH_COPIES, ESTIMATE_COPIES = 10, 3, 8, 5
# Of the judge of matches: tensors as wide as its layers that a round keeps for its gradient.
ROUND_COPIES = 7
# Numbers that are kept of each two views, matched or not: likeness, ranks, poses.
NUMBERS_OF_VIEWS = 32


@dataclass(frozen=True)
class VGGTPassSizes(PassSizes):
    """What one pass of VGGT holds."""

    network: VGGT

    @property
    def config(self) -> VGGTConfig:
        """The network's."""
        return self.network.config

    @property
    def num_special(self) -> int:
        """The camera token and registers."""
        return 1 + self.config.aggregator.num_register_tokens

    @property
    def embed_dim(self) -> int:
        """The width of a token."""
        return self.config.embed_dim

    @property
    def hidden_ratio(self) -> float:
        """Numbers of a block's hidden layer for each of a token's."""
        return self.config.aggregator.mlp_ratio

    @property
    def dense_heads(self) -> dict[str, DPTHeadConfig]:
        """Of the outputs that have one."""
        config = self.config
        heads = {
            "depth": config.depth,
            "points": config.points,
            "tracks": config.tracks.features if config.tracks else None,
        }
        return {
            name: head for name, head in heads.items() if name in self.outputs and head is not None
        }

    @property
    def parts_that_run(self) -> list[nn.Module]:
        """The aggregator, and the heads that these outputs need."""
        network = self.network
        heads: dict[str, nn.Module | None] = {
            "camera": network.camera_head,
            "matches": network.correspondence_head,
            "depth": network.depth_head,
            "points": network.point_head,
            "tracks": network.track_head,
        }
        needed = (*self.outputs, "matches") if "camera" in self.outputs else self.outputs
        used = (head for name, head in heads.items() if name in needed)
        return [network.aggregator, *(head for head in used if head is not None)]

    def of_view(self, keeps_layers: bool = False) -> int:
        """What is kept of a view: the larger of the last global layer's and the heads' demands.

        With ``keeps_layers``, its layers that heads read as well, whole.
        """
        stream = self.tokens * self.embed_dim
        heads = self.dense_heads
        # a head for tracks is float32
        projected = [
            [self.patches * c * (FLOAT32 if name == "tracks" else self.product) for c in h.channels]
            for name, h in heads.items()
        ]
        kept = sum(sum(levels) for levels in projected)
        # While the last global layer attends, its level is not projected yet: residual stream,
        # its norm, queries, keys, values and what they attend to.
        attending = stream * (2 * FLOAT32 + 4 * self.product)
        attending += sum(sum(levels[:3]) for levels in projected)
        reading = stream * 2 * FLOAT32 + kept
        images = IMAGE_CHANNELS * self.pixels * FLOAT32
        layers = self._layers() if keeps_layers else 0
        return images + max(attending, reading, kept + self.results()) + self._stem_maps() + layers

    def results(self) -> int:
        """The maps of the dense heads."""
        tracks = self.config.tracks
        channels = {**MAP_CHANNELS, "tracks": tracks.latent_dim / 4 if tracks else 0}
        return sum(int(channels[name] * self.pixels * FLOAT32) for name in self.dense_heads)

    def _layers(self) -> int:
        """The frame and the global block's outputs of every layer that heads read."""
        num_layers = len(self.config.layers_needed(self.outputs))
        return num_layers * 2 * self.tokens * self.embed_dim * FLOAT32

    def _stem_maps(self) -> int:
        """The maps of a stem that are read beside the tokens: 2 x 2 pixels a patch, then 4 x 4."""
        channels = enumerate(self.network.aggregator.map_channels)
        return sum(4 ** (1 + finer) * self.patches * c * FLOAT32 for finer, c in channels)

    def workspace(self, scale: float) -> int:
        """What is in flight for one chunk, of tokens, views or matches."""
        return max(super().workspace(scale), self._matching_workspace())

    @property
    def _matching(self) -> CorrespondenceConfig | None:
        """What is matched; one view has no other to match."""
        return self.config.matching(self.outputs) if self.num_views > 1 else None

    @property
    def _cells(self) -> int:
        return self.patches * CELLS_PER_PATCH_SIDE**2

    @property
    def _pairs(self) -> tuple[int, bool]:
        """Pairs of views that are matched, each in both directions; whether they were chosen."""
        views, every = self.num_views, self.num_views * (self.num_views - 1) // 2
        chosen = views * self.config.multiview.pair_selection.candidates_per_view
        return (chosen, True) if chosen < every else (every, False)

    def matches(self) -> int:
        """Matches of pairs of views, where the network matches any."""
        if self._matching is None:
            return 0
        pairs, chosen = self._pairs
        if not chosen:
            return self.num_views**2 * self._cells * MATCH_NUMBERS * FLOAT32
        kept = min(self._cells, MATCHES_OF_A_PAIR)
        of_views = self.num_views**2 * NUMBERS_OF_VIEWS
        return (2 * pairs * kept * MATCH_NUMBERS + of_views) * FLOAT32

    def matching_to_learn(self, num_scenes: int) -> int:
        """Matches, what is in flight while they are found, and what their judge's gradient needs.

        All views are matched with all; the geometry of the judge's candidates is small beside it.
        """
        config = self._matching
        if config is None:
            return 0
        matches = self.num_views**2 * min(self._cells, MATCHES_OF_A_PAIR)
        rounds = (config.num_rounds + 1) * ROUND_COPIES
        judge = matches * config.hidden_dim * rounds * FLOAT32
        return num_scenes * (self.matches() + self._matching_workspace() + judge)

    def _matching_workspace(self) -> int:
        """One view's cells against all views', then patches around them, then some pairs' poses.

        Of many views some pairs' at a time.
        """
        config = self._matching
        if config is None:
            return 0
        _, chosen = self._pairs
        of_pair = self._cells**2
        if chosen:
            at_once = max(1, scores_at_a_time(self.device) // of_pair)
            patched, judged = PATCHED_PAIRS, 2 * PAIRS_AT_A_TIME
        else:
            at_once = min(self.num_views, max(1, SCORES_AT_A_TIME // of_pair))
            patched = self.num_views
            judged = min(max(PAIRS_AT_A_TIME, self.num_views), self.num_views**2)
        scores = at_once * of_pair * SCORE_COPIES
        kept = min(self._cells, MATCHES_OF_A_PAIR)
        patch = (2 * config.sharpen_radius + 1) ** 2
        patches = patched * kept * patch * PATCH_COPIES
        estimates = judged * kept * config.hidden_dim * ESTIMATE_COPIES
        return max(scores, patches, estimates) * FLOAT32
