"""The network: photos of a scene to cameras, depth, points and tracks (VGGT, Wang et al. 2025)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.images import Preprocessing
from glance3d.models.aggregator import AggregatedTokens, Aggregator
from glance3d.models.checks import (
    check_focal_lengths,
    check_images,
    check_outputs,
    check_query_points,
)
from glance3d.models.config import OUTPUTS, DenseHeadConfig, ModelConfig, Output
from glance3d.models.head_inputs import HeadInputs
from glance3d.models.heads.camera import PLAIN_CAMERA, CameraHead
from glance3d.models.heads.correspondence import CorrespondenceHead
from glance3d.models.heads.dpt import (
    DPTFeatures,
    DPTHead,
    Projected,
    depth_from_raw,
    points_from_raw,
)
from glance3d.models.heads.track import TrackHead, TrackIterations
from glance3d.models.weights.cards import WeightsCard
from glance3d.multiview.descriptor_plane_sweep import sweep_depth_by_descriptors
from glance3d.multiview.descriptor_tracking import CELL, DescriptorTracker
from glance3d.multiview.matches import Correspondence, Descriptors
from glance3d.multiview.pose_initialisation import initialise_poses
from glance3d.multiview.relative_pose import ViewPairMatches, best_matches
from glance3d.multiview.scale_alignment import camera_scale_from_depth
from glance3d.nn.patch_embed import StemMaps
from glance3d.types import Predictions


class VGGT(nn.Module):
    """An aggregator and the heads that its config names.

    ``card`` says where the weights came from (None for random ones) and ``preprocessing`` how
    photos should be made ready for them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.card: WeightsCard | None = None
        self.weights_path: Path | None = None
        self.preprocessing = Preprocessing(patch_size=config.patch_size)
        dim = 2 * config.embed_dim
        self.aggregator = Aggregator(config)
        self.camera_head = CameraHead(dim, config.camera) if config.camera else None
        maps = self.aggregator.map_channels
        self.depth_head = _dense_head(dim, config.depth, 1, depth_from_raw, maps)
        self.point_head = _dense_head(dim, config.points, 3, points_from_raw, maps)
        self.track_head = TrackHead(dim, config.tracks, maps) if config.tracks else None
        self.correspondence_head = _correspondence_head(config, maps)

    def forward(
        self,
        images: Tensor,
        query_points: Tensor | None = None,
        outputs: Sequence[str] | None = None,
        attention: str = "full",
        focal_lengths: Tensor | None = None,
    ) -> Predictions:
        """One look at all views.

        Args:
            images: RGB in [0, 1], ``[S,3,H,W]`` or ``[B,S,3,H,W]``; H and W multiples of the patch.
            query_points: ``[N,2]`` or ``[B,N,2]`` pixels (x, y) of the first view to track, in the
                network's convention: the top-left pixel's centre is (0, 0). A network that matches
                follows them by its descriptors instead of by its tracker, without gradients;
                visibility is then how mutual a match is and ``track_conf`` how alike
                (:mod:`glance3d.multiview.descriptor_tracking`).
            outputs: what to predict; everything the network can by default, tracks only with query
                points. What is not asked for is not computed.
            attention: "full", or "thin": approximate, see :mod:`glance3d.models.sparse_keys`.
            focal_lengths: ``[S]`` or ``[B,S]``, in pixels, where known (say from EXIF); else NaN.
                Cameras that start from matches start from them; other networks do not look.

        Raises:
            InputError: if a shape, size or value cannot be used. Values that are on a GPU are not
                looked at, since the host would have to wait for them: check before you move them
                (:func:`glance3d.models.checks.check_pixel_values`).
        """
        wanted = check_outputs(outputs, self.config.outputs, query_points is not None)
        images = check_images(images, self.config.patch_size)
        if query_points is not None:
            query_points = check_query_points(query_points, images)
        focal_lengths = check_focal_lengths(focal_lengths, images.shape[:2], images.device)
        tokens, stem_maps = self.aggregator.embed(images)
        size = (images.shape[-2], images.shape[-1])
        several = images.shape[1] > 1
        matches = several and self.config.matching(wanted) is not None
        describes = several and (matches or self.config.following(wanted) is not None)
        describer = self.correspondence_head if describes else None
        readings = self._readings(wanted, images.shape[:2], size, stem_maps, describer)
        layers = self.config.layers_needed(wanted)
        for layer in self.aggregator.stream(tokens, readings.grid, layers, attention):
            readings.take(*layer)
            del layer  # the heads need the memory
        matched = None
        if matches and readings.described is not None and self.correspondence_head is not None:
            matched = self.correspondence_head(readings.described, images)
        return self._predict(readings, matched, query_points, focal_lengths, images)

    def predict(
        self,
        tokens: AggregatedTokens,
        image_size: tuple[int, int],
        outputs: tuple[Output, ...] = OUTPUTS,
        query_points: Float[Tensor, "batch queries 2"] | None = None,
        matched: Correspondence | None = None,
        focal_lengths: Tensor | None = None,
        images: Float[Tensor, "batch views 3 height width"] | None = None,
    ) -> Predictions:
        """The heads alone, on the aggregator's tokens; ``image_size`` is (height, width).

        ``matched`` is what :meth:`match` finds, for cameras that start from matches and from
        ``focal_lengths`` (as in :meth:`forward`). With ``images``, tracks of a network that matches
        are finer than the cells of its maps.
        """
        wanted = tuple(output for output in outputs if getattr(self.config, output) is not None)
        if query_points is None:
            wanted = tuple(output for output in wanted if output != "tracks")
        layers = self.config.layers_needed(wanted)
        first = tokens.layers[layers[0]]
        batch_views = first.shape[:2]
        focal_lengths = check_focal_lengths(focal_lengths, batch_views, first.device)
        readings = self._readings(wanted, batch_views, image_size, tokens.stem_maps)
        for index in layers:
            readings.take(index, tokens.layers[index])
        if self.config.following(wanted) is not None:
            readings.described = self.describe(tokens)
        return self._predict(readings, matched, query_points, focal_lengths, images)

    def describe(self, tokens: AggregatedTokens) -> Descriptors | None:
        """What cells are told apart by.

        None for a single view, a network that does not match, or tokens without the layer for it.
        """
        head = self.correspondence_head
        if head is None or not tokens.stem_maps or head.config.layer not in tokens.layers:
            return None
        layer = tokens.layers[head.config.layer]
        if layer.shape[1] == 1:
            return None
        of_global_block = layer[:, :, tokens.patch_start_idx :, self.config.embed_dim :]
        return head.describe(of_global_block, tokens.stem_maps[0])

    def match(
        self, tokens: AggregatedTokens, images: Float[Tensor, "batch views 3 height width"]
    ) -> Correspondence | None:
        """Where each place is in the other views; None where :meth:`describe` says nothing."""
        described = self.describe(tokens)
        if described is None or self.correspondence_head is None:
            return None
        return self.correspondence_head(described, images)

    def _readings(
        self,
        outputs: tuple[Output, ...],
        batch_views: tuple[int, ...],
        size: tuple[int, int],
        stem_maps: StemMaps,
        describer: CorrespondenceHead | None = None,
    ) -> HeadInputs:
        readers: dict[Output, DPTFeatures] = {}
        for output, head in (("depth", self.depth_head), ("points", self.point_head)):
            if output in outputs and head is not None:
                readers[output] = head.features
        if "tracks" in outputs and self.track_head is not None:
            readers["tracks"] = self.track_head.feature_extractor
        patch = self.config.patch_size
        camera_layer = self.config.aggregator.depth - 1 if "camera" in outputs else None
        return HeadInputs(
            readers,
            camera_layer,
            self.aggregator.patch_start_idx,
            (batch_views[0], batch_views[1]),
            size,
            (size[0] // patch, size[1] // patch),
            describer,
            stem_maps,
        )

    def _predict(
        self,
        readings: HeadInputs,
        matched: Correspondence | None,
        query_points: Tensor | None,
        focal_lengths: Tensor | None,
        images: Tensor | None,
    ) -> Predictions:
        """Every head that something was read for."""
        size, grid, batch_views = readings.image_size, readings.grid, readings.batch_views
        found: dict[str, Tensor] = {}
        pairs, start = None, None
        if readings.camera_tokens is not None and self.camera_head is not None:
            last = readings.camera_tokens.float()
            if matched is not None and self.camera_head.starts_from_matches:
                pairs = best_matches(matched.matches, matched.relations, matched.grid)
                start = initialise_poses(pairs, matched.relations, size, focal_lengths)
            with torch.autocast(last.device.type, enabled=False):  # cameras are always float32
                found["pose_enc_iterations"] = self.camera_head(last, start)
            found["pose_enc"] = found["pose_enc_iterations"][-1]
        for output, head, name in (
            ("depth", self.depth_head, "depth"),
            ("points", self.point_head, "points_world"),
        ):
            projected = readings.give(output)
            if projected is not None and head is not None:
                values, confidence = head(projected, size, grid)
                found[name] = values.unflatten(0, batch_views)
                found[f"{output}_conf"] = confidence.unflatten(0, batch_views)
        matches = matched is not None and pairs is not None and "depth" in found
        if matches and not torch.is_grad_enabled():
            _agree(matched.described, pairs, found)
        projected = readings.give("tracks")
        if projected is not None and self.track_head is not None and query_points is not None:
            following = (
                self.track_head(projected, size, grid, query_points)
                if readings.described is None
                else _follow(
                    self.track_head, projected, readings, readings.described, query_points, images
                )
            )
            found["tracks_iterations"], found["visibility"], found["track_conf"] = following
            found["tracks"] = found["tracks_iterations"][-1]
        return Predictions(image_size=size, **found)


def _follow(
    head: TrackHead,
    projected: Projected,
    readings: HeadInputs,
    described: Descriptors,
    query_points: Float[Tensor, "batch queries 2"],
    images: Float[Tensor, "batch views 3 height width"] | None,
) -> tuple[TrackIterations, Tensor, Tensor]:
    """As the tracker answers, by descriptors; "updates" is one. Without gradients."""
    head.refuse_small(readings.image_size)
    maps = head.fuse(projected, readings.image_size, readings.grid)
    maps = head.descriptors(maps.unflatten(0, readings.batch_views))
    num_views = maps.shape[1]
    tracks = query_points[:, None].float().repeat(1, num_views, 1, 1)
    visibility, confidence = torch.ones_like(tracks[..., 0]), torch.ones_like(tracks[..., 0])
    for scene, queries in enumerate(query_points.float()):
        own = described._replace(descriptors=described.descriptors[scene, None])
        search = DescriptorTracker(maps[scene], own, None if images is None else images[scene])
        cells, *judged = search.follow(0, queries / CELL, range(1, num_views))
        tracks[scene, 1:] = CELL * cells
        visibility[scene, 1:], confidence[scene, 1:] = judged
    return tracks[None], visibility, confidence


def _agree(described: Descriptors, pairs: ViewPairMatches, found: dict[str, Tensor]) -> None:
    """Cameras that start from matches get depth's unit of length, depth what cameras know of it."""
    factor = camera_scale_from_depth(pairs, found["pose_enc"], found["depth"])[:, None, None]
    poses = found["pose_enc_iterations"]
    poses = torch.cat([factor * poses[..., :3], poses[..., 3:]], -1)
    found["pose_enc_iterations"], found["pose_enc"] = poses, poses[-1]
    found["depth"] = sweep_depth_by_descriptors(described, pairs, found["pose_enc"], found["depth"])


def _correspondence_head(
    config: ModelConfig, map_channels: tuple[int, ...]
) -> CorrespondenceHead | None:
    if config.correspondence is None:
        return None
    return CorrespondenceHead(config.correspondence, config.embed_dim, map_channels[0])


def _dense_head(
    dim: int,
    config: DenseHeadConfig | None,
    channels: int,
    activate: Callable[[Tensor], Tensor],
    map_channels: tuple[int, ...],
) -> DPTHead | None:
    return None if config is None else DPTHead(dim, config, channels, activate, map_channels)


def build_model(config: ModelConfig, device: torch.device | str = "cpu") -> VGGT:
    """A network with random weights, ready to be trained."""
    with torch.device(device):
        model = VGGT(config)
    if model.camera_head is not None:
        _start_from_a_plain_camera(model.camera_head)
    return model


def _start_from_a_plain_camera(head: CameraHead) -> None:
    """Begin at a plain camera, not at a quaternion of length zero, or change nothing of a start."""
    layer = head.pose_mlp.fc2
    with torch.no_grad():
        if head.starts_from_matches:
            layer.weight.zero_()
            layer.bias.zero_()
            return
        layer.weight.mul_(0.1)
        layer.bias.copy_(PLAIN_CAMERA)
        layer.bias.div_(head.num_iterations)  # the iterations' updates add up
