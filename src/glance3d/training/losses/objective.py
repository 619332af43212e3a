"""From a batch of scenes to the loss that training minimises."""

import torch

from glance3d.datasets import MultiViewSample
from glance3d.errors import InputError
from glance3d.models import VGGT, Network
from glance3d.models.config import Output
from glance3d.models.da3 import DA3
from glance3d.models.tokens import AggregatedTokens
from glance3d.multiview.matches import Correspondence, Descriptors
from glance3d.nn.precision import autocast
from glance3d.training.config import TrainConfig
from glance3d.training.losses.correspondence import (
    descriptor_loss,
    pair_loss,
)
from glance3d.training.losses.da3 import da3_losses
from glance3d.training.losses.descriptor_lookup import sample_sparsely
from glance3d.training.losses.normalise import normalise_scenes
from glance3d.training.losses.scene import (
    Losses,
    LossWeights,
    camera_loss,
    dense_loss,
    depth_loss,
    matching_loss,
    track_loss,
)

# In the network the first pixel's centre is 0; in samples it is 0.5.
_NETWORK_PIXEL_ORIGIN = 0.5

# Pairs of views with no more common points than this do not count in the pair loss.
_FEWEST_SHARED_POINTS = 3

_NEEDS_VIEWS_TO_MATCH = (
    "the losses 'descriptors' and 'pairs' need a network with a correspondence head and several "
    "views"
)


def compute_losses(
    model: Network,
    sample: MultiViewSample,
    config: TrainConfig,
    weights: LossWeights | None = None,
) -> Losses:
    """All losses of a batch, and their weighted sum as ``loss``; ``weights`` replace the config's.

    The aggregator, or the backbone of a Depth Anything 3, runs once, over all views, and every head
    that has a weight reads its tokens: some heads read some of them only (see
    :class:`TrainConfig`). Losses themselves are computed in float32.
    """
    weights = weights or config.losses
    with autocast(sample.images, enabled=config.precision == "bfloat16"):
        losses = _active_losses(model, sample, config, weights)
    total = sum(
        (getattr(weights, name) * losses[name] for name in weights.active),
        start=sample.images.new_zeros(()),
    )
    return {"loss": total, **losses}


def _active_losses(
    model: Network, sample: MultiViewSample, config: TrainConfig, weights: LossWeights
) -> Losses:
    if isinstance(model, DA3):
        return da3_losses(model, sample, config, weights)
    if not isinstance(model, VGGT):
        raise InputError(f"only VGGT and DA3 networks are trained, got {model.config.name}")
    if weights.rays > 0:
        raise InputError(
            f"the weight of the loss 'rays' must be 0 for {model.config.name}, which predicts no "
            f"rays, got {weights.rays}"
        )
    tokens = model.encode(sample.images, _layers_needed(model, weights))
    losses: Losses = {}
    matched = None
    if weights.descriptors > 0:
        losses |= _descriptors(model.describe(tokens), sample)
    if weights.pairs > 0 or weights.camera > 0:
        matched = model.match(tokens, sample.images)
    if weights.pairs > 0:
        losses |= _pairs(matched, sample)
    if weights.camera > 0 or weights.depth > 0 or weights.points > 0:
        losses |= _camera_and_dense(model, sample, tokens, matched, weights, config)
    if weights.track > 0 or weights.matching > 0:
        losses |= _tracks_and_matching(model, sample, tokens, weights, config)
    return losses


def _layers_needed(model: VGGT, weights: LossWeights) -> tuple[int, ...]:
    outputs: dict[str, Output] = {
        "camera": "camera",
        "depth": "depth",
        "points": "points",
        "track": "tracks",
        "matching": "tracks",
    }
    needed = {outputs[name] for name in weights.active if name in outputs}
    described = model.config.correspondence
    matching = described is not None and (weights.descriptors > 0 or weights.pairs > 0)
    layers = {described.layer} if described is not None and matching else set()
    if needed or not layers:  # each loss raises an error if its head is missing
        layers |= set(model.config.layers_needed(tuple(needed) or ("camera",)))
    return tuple(sorted(layers))


def _camera_and_dense(
    model: VGGT,
    sample: MultiViewSample,
    tokens: AggregatedTokens,
    matched: Correspondence | None,
    weights: LossWeights,
    config: TrainConfig,
) -> Losses:
    targets = normalise_scenes(sample.cam_from_world, sample.intrinsics, sample.depth, sample.valid)
    size = (sample.images.shape[-2], sample.images.shape[-1])
    losses: Losses = {}
    if weights.camera > 0:
        initial = model.initial_poses(matched, size)
        cameras = model.decode(tokens, sample.images, ("camera",), initial_poses=initial)
        iterations = cameras.pose_enc_iterations
        assert iterations is not None
        losses |= camera_loss(targets.at_true_scale(iterations), targets.pose_enc)
    dense: tuple[Output, ...] = tuple(
        name for name in ("depth", "points") if getattr(weights, name) > 0
    )
    if not dense:
        return losses
    count = config.dense_views or sample.images.shape[1]
    images = sample.images[:, :count]
    predicted = model.decode(_first_views(tokens, count), images, dense)
    valid = targets.valid[:, :count]
    with autocast(sample.images, enabled=False):
        if predicted.depth is not None and predicted.depth_conf is not None:
            depth = targets.depth[:, :count]
            both = predicted.depth, predicted.depth_conf
            losses |= depth_loss(*both, depth, valid, config.log_depth)
        if predicted.points_world is not None and predicted.points_conf is not None:
            points = targets.points_world[:, :count]
            losses |= dense_loss(
                "points", predicted.points_world, predicted.points_conf, points, valid
            )
    return losses


def _first_views(tokens: AggregatedTokens, count: int) -> AggregatedTokens:
    """The tokens of the first ``count`` views of every scene."""
    scenes = next(iter(tokens.layers.values())).shape[:2]
    layers = {index: layer[:, :count] for index, layer in tokens.layers.items()}
    maps = [maps.unflatten(0, scenes)[:, :count].flatten(0, 1) for maps in tokens.stem_maps]
    return AggregatedTokens(layers, tokens.patch_start_idx, tuple(maps))


def _tracks_and_matching(
    model: VGGT,
    sample: MultiViewSample,
    tokens: AggregatedTokens,
    weights: LossWeights,
    config: TrainConfig,
) -> Losses:
    """The track head's maps are made once, for the tracker and for the matching loss."""
    head = model.track_head
    if head is None:
        raise InputError("track and matching losses need a network with a track head")
    if sample.query_points is None or sample.tracks is None or sample.visibility is None:
        raise InputError("track and matching losses need samples with query points and tracks")
    size = (sample.images.shape[-2], sample.images.shape[-1])
    patch = model.config.patch_size
    maps = head.features(tokens, size, (size[0] // patch, size[1] // patch))
    tracks = sample.tracks - _NETWORK_PIXEL_ORIGIN
    losses: Losses = {}
    if weights.matching > 0:
        with autocast(sample.images, enabled=False):
            cells = torch.nan_to_num(tracks.flatten(0, 1)) / 2  # the maps' resolution is half
            features = sample_sparsely(maps.flatten(0, 1), cells)
            # The tracker normalises whole maps; to normalise the samples is nearly the same.
            descriptors = head.tracker.map_norm(features).unflatten(0, tracks.shape[:2])
            losses |= matching_loss(descriptors, sample.visibility)
    if weights.track > 0:
        scenes, count = slice(config.track_scenes), config.track_queries
        queries = sample.query_points[scenes, :count] - _NETWORK_PIXEL_ORIGIN
        # With a matching loss, that loss trains the maps, and the track loss only the tracker.
        some_maps = maps[scenes].detach() if weights.matching > 0 else maps[scenes]
        positions, visible, confident = head.tracker(some_maps, queries / 2)
        losses |= track_loss(
            positions * 2,
            visible,
            confident,
            tracks[scenes, :, :count],
            sample.visibility[scenes, :, :count],
            size,
        )
    return losses


def _pairs(matched: Correspondence | None, sample: MultiViewSample) -> Losses:
    if matched is None:
        raise InputError(_NEEDS_VIEWS_TO_MATCH)
    if sample.visibility is None:
        raise InputError("the loss 'pairs' needs samples with tracks")
    with autocast(sample.images, enabled=False):
        seen = sample.visibility.float()
        shared = torch.einsum("bvp,bwp->bvw", seen, seen) - _FEWEST_SHARED_POINTS
        return pair_loss(
            matched.pair_estimates,
            matched.matches,
            matched.grid,
            sample.cam_from_world,
            sample.intrinsics,
            shared,
            (sample.images.shape[-2], sample.images.shape[-1]),
        )


def _descriptors(described: Descriptors | None, sample: MultiViewSample) -> Losses:
    if described is None:
        raise InputError(_NEEDS_VIEWS_TO_MATCH)
    if sample.tracks is None or sample.visibility is None:
        raise InputError("the loss 'descriptors' needs samples with tracks")
    with autocast(sample.images, enabled=False):
        cell = sample.images.shape[-2] / described.grid[0]
        cells = torch.nan_to_num(sample.tracks) / cell - 0.5
        return descriptor_loss(described, cells, sample.visibility)
