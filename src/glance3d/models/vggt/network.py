"""The network itself: an aggregator and heads."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from glance3d.distributed.views import ViewShare, share_views
from glance3d.errors import InputError
from glance3d.models.checks import (
    check_focal_lengths,
    check_images,
    check_outputs,
    check_query_points,
)
from glance3d.models.config import DPTHeadConfig, Output, StemEmbedConfig, VGGTConfig
from glance3d.models.head_inputs import HeadInputs
from glance3d.models.heads.camera import CameraHead
from glance3d.models.heads.correspondence import CorrespondenceHead
from glance3d.models.heads.descriptor_tracks import track_by_descriptors
from glance3d.models.heads.dpt import (
    DPTHead,
    DPTLevels,
    Projected,
    depth_from_raw,
    points_from_raw,
)
from glance3d.models.heads.track import TrackHead
from glance3d.models.network import Network
from glance3d.models.normalisation import normalised_pixels
from glance3d.models.tokens import AggregatedTokens
from glance3d.models.vggt.aggregator import Aggregator
from glance3d.multiview.matches import Correspondence, Descriptors, InitialPoses, PoseInitialiser
from glance3d.multiview.matching.best_matches import select_pair_matches
from glance3d.multiview.reconcile import MatchedPredictions
from glance3d.nn.block import Block
from glance3d.nn.patch_embed import StemMaps
from glance3d.nn.precision import autocast, only_predicts
from glance3d.types import Predictions


class VGGT(Network[VGGTConfig]):
    """An aggregator and the heads that its config names.

    :meth:`forward` is :meth:`encode`, :meth:`match`, :meth:`initial_poses` and :meth:`decode` in
    one, in less memory: layers are projected as soon as they are made. ``pose_initialiser`` is what
    estimates poses from matches, for a camera head that starts from them.
    """

    def __init__(self, config: VGGTConfig, pose_initialiser: PoseInitialiser | None = None) -> None:
        super().__init__(config)
        self.pose_initialiser = pose_initialiser
        dim = 2 * config.embed_dim
        self.aggregator = Aggregator(config)
        self.camera_head = CameraHead(dim, config.camera) if config.camera else None
        maps = self.aggregator.map_channels
        self.depth_head = _dense_head(dim, config.depth, 1, depth_from_raw, maps)
        self.point_head = _dense_head(dim, config.points, 3, points_from_raw, maps)
        self.track_head = TrackHead(dim, config.tracks, maps) if config.tracks else None
        self.correspondence_head = _correspondence_head(config, maps)

    def embed_patches(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches dim"]:
        """Patch tokens of each view, before any view sees another; images are RGB in [0, 1]."""
        return self.aggregator.patch_embed(normalised_pixels(images))

    def photo_tokens(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches dim"]:
        """As :meth:`Network.photo_tokens`: a stem's patches first see each other in layer 0."""
        if not isinstance(self.config.patch_embed, StemEmbedConfig):
            return self.embed_patches(images)
        # Every photo is a scene of its own.
        return self._of_global_block(self.encode(images[:, None], (0,)), 0)[:, 0]

    @property
    def large_products(self) -> list[nn.Module]:
        """The aggregator and the features of depth and points; the tracker's stay float32."""
        heads = (self.depth_head, self.point_head)
        return [self.aggregator, *(head.features for head in heads if head is not None)]

    @property
    def blocks(self) -> Sequence[Block]:
        """The global blocks."""
        return [block for block in self.aggregator.global_blocks if isinstance(block, Block)]

    def initialise(self) -> None:
        """Cameras begin at plain ones, or at what they start from."""
        if self.camera_head is not None:
            self.camera_head.initialise()

    def forward(
        self,
        images: Tensor,
        query_points: Tensor | None = None,
        outputs: Sequence[str] | None = None,
        attention: str = "full",
        focal_lengths: Tensor | None = None,
        camera_ids: Sequence[int] | None = None,
    ) -> Predictions:
        """One pass over all views; the same with and without gradients.

        What matches say of cameras and depth is not made to agree here:
        :func:`glance3d.multiview.reconcile.reconcile` does that, and :func:`glance3d.predict` both.

        Args:
            images: RGB in [0, 1], ``[S,3,H,W]`` or ``[B,S,3,H,W]``; H and W multiples of the patch.
            query_points: ``[N,2]`` or ``[B,N,2]`` pixels (x, y) of the first view to track, in the
                network's convention: the top-left pixel's centre is (0, 0). A network that matches
                tracks them by its descriptors instead of by its tracker, without gradients;
                visibility is then how mutual a match is and ``track_conf`` how alike
                (:mod:`glance3d.multiview.matching.descriptor_tracking`).
            outputs: What to predict; everything the network can by default, tracks only with query
                points. What is not asked for is not computed.
            attention: "full", or "thin" or "near": approximate, see
                :mod:`glance3d.models.sparse_keys`.
            focal_lengths: ``[S]`` or ``[B,S]``, in pixels, where known (say from EXIF); else NaN.
                Cameras that start from matches start from them; other networks ignore them.
            camera_ids: One a view: the same number says that views share a focal length. None:
                all do, or have the known ones. Ignored as focal lengths are.

        Raises:
            InputError: A shape, size or value cannot be used. Values that are on a GPU are not
                looked at, since the host would have to wait for them: check before you move them
                (:func:`glance3d.models.checks.check_pixel_values`).
        """
        wanted = check_outputs(outputs, self.config.outputs, query_points is not None)
        images = check_images(images, self.config.patch_size)
        if query_points is not None:
            query_points = check_query_points(query_points, images)
        focal_lengths = check_focal_lengths(focal_lengths, images.shape[:2], images.device)
        share = share_views(*images.shape[:2], only_predicts=only_predicts(images))
        tokens, stem_maps = self.aggregator.embed(images, share)
        several = images.shape[1] > 1
        matches = several and self.config.matching(wanted) is not None
        describes = several and (matches or self.config.following(wanted) is not None)
        describer = self.correspondence_head if describes else None
        inputs = self._head_inputs(wanted, images[:, share.own], stem_maps, describer)
        layers = self.config.layers_needed(wanted)
        for layer in self.aggregator.stream(tokens, inputs.grid, layers, attention, share):
            inputs.collect(*layer)
            del layer  # the heads need the memory
        inputs.gather(share)
        initial = None
        if matches and inputs.described is not None and self.correspondence_head is not None:
            matched = self.correspondence_head(inputs.described, images)
            initial = self.initial_poses(matched, inputs.image_size, focal_lengths, camera_ids)
            del matched
        return self._decode(inputs, images, query_points, initial, share)

    def encode(
        self,
        images: Float[Tensor, "batch views 3 height width"],
        layers: tuple[int, ...],
        attention: str = "full",
    ) -> AggregatedTokens:
        """The aggregator's tokens of these layers (``config.layers_needed`` of some outputs)."""
        return self.aggregator(images, layers, attention)

    def describe(self, tokens: AggregatedTokens) -> Descriptors | None:
        """Descriptors of all cells, for matching.

        None for a single view, a network that does not match, or tokens without the layer for it.
        """
        head = self.correspondence_head
        if head is None or not tokens.stem_maps or head.config.layer not in tokens.layers:
            return None
        layer = self._of_global_block(tokens, head.config.layer)
        return None if layer.shape[1] == 1 else head.describe(layer, tokens.stem_maps[0])

    def _of_global_block(
        self, tokens: AggregatedTokens, layer: int
    ) -> Float[Tensor, "batch views patches dim"]:
        """The patches of a layer as its global block left them."""
        return tokens.layers[layer][:, :, tokens.patch_start_idx :, self.config.embed_dim :]

    def match(
        self, tokens: AggregatedTokens, images: Float[Tensor, "batch views 3 height width"]
    ) -> Correspondence | None:
        """Where each cell is in the other views; None where :meth:`describe` returns None."""
        described = self.describe(tokens)
        if described is None or self.correspondence_head is None:
            return None
        return self.correspondence_head(described, images)

    def initial_poses(
        self,
        matched: Correspondence | None,
        image_size: tuple[int, int],
        focal_lengths: Tensor | None = None,
        camera_ids: Sequence[int] | None = None,
    ) -> InitialPoses | None:
        """The poses that cameras start from; None for a network whose cameras do not.

        ``matched`` is what :meth:`match` returns, ``image_size`` is (height, width), and
        ``focal_lengths`` and ``camera_ids`` are as in :meth:`forward`.

        Raises:
            InputError: The focal lengths are not one a view, or the network was built without a
                pose initialiser.
        """
        if matched is None or self.camera_head is None or not self.camera_head.starts_from_matches:
            return None
        if self.pose_initialiser is None:
            raise InputError(
                f"cameras of {self.config.name} start from poses that matches give, and the "
                "network was made without a pose_initialiser: make it by glance3d.build_model"
            )
        descriptors = matched.described.descriptors
        focal_lengths = check_focal_lengths(
            focal_lengths, descriptors.shape[:2], descriptors.device
        )
        views = descriptors.shape[1]
        if camera_ids is not None and len(camera_ids) != views:
            raise InputError(f"camera_ids must be one a view: {views}, got {len(camera_ids)}")
        options = self.config.multiview
        pairs = select_pair_matches(matched, options.pair_selection)
        poses = matched.pair_poses()
        pose_enc = self.pose_initialiser(
            pairs, poses, image_size, options, focal_lengths, camera_ids
        )
        return InitialPoses(pose_enc, pairs, matched.described, options, matched.likeness)

    def decode(
        self,
        tokens: AggregatedTokens,
        images: Float[Tensor, "batch views 3 height width"],
        outputs: Sequence[Output],
        query_points: Float[Tensor, "batch queries 2"] | None = None,
        initial_poses: InitialPoses | None = None,
    ) -> Predictions:
        """The heads alone, on the tokens that :meth:`encode` made of these images.

        Outputs that the network has no head for are left out, and tracks without query points.
        Without ``initial_poses`` a camera head that starts from matches starts from plain cameras.
        """
        wanted: tuple[Output, ...] = tuple(
            output
            for output in outputs
            if output in self.config.outputs and (output != "tracks" or query_points is not None)
        )
        inputs = self._head_inputs(wanted, images, tokens.stem_maps)
        for index in self.config.layers_needed(wanted):
            inputs.collect(index, tokens.layers[index])
        if self.config.following(wanted) is not None:
            inputs.described = self.describe(tokens)
        share = ViewShare.whole(images.shape[1])
        return self._decode(inputs, images, query_points, initial_poses, share)

    def _head_inputs(
        self,
        outputs: tuple[Output, ...],
        images: Float[Tensor, "batch views 3 height width"],
        stem_maps: StemMaps,
        describer: CorrespondenceHead | None = None,
    ) -> HeadInputs:
        readers: dict[Output, DPTLevels] = {}
        for output, head in (("depth", self.depth_head), ("points", self.point_head)):
            if output in outputs and head is not None:
                readers[output] = head.features
        if "tracks" in outputs and self.track_head is not None:
            readers["tracks"] = self.track_head.feature_extractor
        return HeadInputs(
            readers,
            self.config.aggregator.depth - 1 if "camera" in outputs else None,
            self.aggregator.patch_start_idx,
            (images.shape[0], images.shape[1]),
            (images.shape[-2], images.shape[-1]),
            self.aggregator.grid(images),
            describer,
            stem_maps,
        )

    def _decode(
        self,
        inputs: HeadInputs,
        images: Float[Tensor, "batch views 3 height width"],
        query_points: Float[Tensor, "batch queries 2"] | None,
        initial: InitialPoses | None,
        share: ViewShare,
    ) -> Predictions:
        """Every head that something was collected for: of all views, also of other ranks'."""
        size, grid, batch_views = inputs.image_size, inputs.grid, inputs.batch_views
        values: dict[str, Tensor] = {}
        if inputs.camera_tokens is not None and self.camera_head is not None:
            tokens = inputs.camera_tokens.float()
            start = None if initial is None else initial.pose_enc
            with autocast(tokens, enabled=False):  # cameras are always float32
                values["pose_enc_iterations"] = share.from_first(self.camera_head(tokens, start))
            values["pose_enc"] = values["pose_enc_iterations"][-1]
        for output, head, name in (
            ("depth", self.depth_head, "depth"),
            ("points", self.point_head, "points_world"),
        ):
            projected = inputs.pop(output)
            if projected is not None and head is not None:
                maps, confidence = head(projected, size, grid)
                values[name] = share.gathered(maps.unflatten(0, batch_views))
                values[f"{output}_conf"] = share.gathered(confidence.unflatten(0, batch_views))
        projected = inputs.pop("tracks")
        if projected is not None and self.track_head is not None and query_points is not None:
            values |= self._track(self.track_head, projected, inputs, images, query_points, share)
        if initial is not None and "pose_enc" in values:
            return MatchedPredictions(image_size=size, **values, matched=initial)
        return Predictions(image_size=size, **values)

    def _track(
        self,
        head: TrackHead,
        projected: Projected,
        inputs: HeadInputs,
        images: Float[Tensor, "batch views 3 height width"],
        query_points: Float[Tensor, "batch queries 2"],
        share: ViewShare,
    ) -> dict[str, Tensor]:
        """By descriptors if there are any, else by the tracker."""
        if inputs.described is None:
            tracked = head(projected, inputs.image_size, inputs.grid, query_points, share)
        else:
            tracked = track_by_descriptors(
                head,
                projected,
                inputs.described,
                images,
                inputs.grid,
                query_points,
                self.config.multiview,
                share,
            )
        iterations, visibility, confidence = tracked
        return {
            "tracks_iterations": iterations,
            "tracks": iterations[-1],
            "visibility": visibility,
            "track_conf": confidence,
        }


def _correspondence_head(
    config: VGGTConfig, map_channels: tuple[int, ...]
) -> CorrespondenceHead | None:
    if config.correspondence is None:
        return None
    return CorrespondenceHead(
        config.correspondence, config.embed_dim, map_channels[0], config.multiview
    )


def _dense_head(
    dim: int,
    config: DPTHeadConfig | None,
    channels: int,
    activate: Callable[[Tensor], Tensor],
    map_channels: tuple[int, ...],
) -> DPTHead | None:
    return None if config is None else DPTHead(dim, config, channels, activate, map_channels)
