"""The network: photos of a scene to cameras, depth, points and tracks (VGGT, Wang et al. 2025)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.images import Preprocessing
from glance3d.models.aggregator import AggregatedTokens, Aggregator
from glance3d.models.cards import WeightsCard
from glance3d.models.checks import check_images, check_outputs, check_query_points
from glance3d.models.config import OUTPUTS, ModelConfig, Output
from glance3d.models.heads.camera import CameraHead
from glance3d.models.heads.dense import DenseHead, depth_from_raw, points_from_raw
from glance3d.models.heads.track import TrackHead
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
        self.depth_head = DenseHead(dim, config.depth, 1) if config.depth else None
        self.point_head = DenseHead(dim, config.points, 3) if config.points else None
        self.track_head = TrackHead(dim, config.tracks) if config.tracks else None

    def forward(
        self,
        images: Tensor,
        query_points: Tensor | None = None,
        outputs: Sequence[str] | None = None,
    ) -> Predictions:
        """One look at all views.

        Args:
            images: RGB in [0, 1], ``[S,3,H,W]`` or ``[B,S,3,H,W]``; H and W multiples of the patch.
            query_points: ``[N,2]`` or ``[B,N,2]`` pixels (x, y) of the first view to track, in the
                network's convention: the top-left pixel's centre is (0, 0).
            outputs: what to predict; everything the network can by default, tracks only with query
                points. What is not asked for is not computed.

        Raises:
            InputError: if a shape, size or value cannot be used.
        """
        wanted = check_outputs(outputs, self.config.outputs, query_points is not None)
        images = check_images(images, self.config.patch_size)
        if query_points is not None:
            query_points = check_query_points(query_points, images)
        tokens = self.aggregator(images, self.config.layers_needed(wanted))
        return self.predict(tokens, (images.shape[-2], images.shape[-1]), wanted, query_points)

    def predict(
        self,
        tokens: AggregatedTokens,
        image_size: tuple[int, int],
        outputs: tuple[Output, ...] = OUTPUTS,
        query_points: Float[Tensor, "batch queries 2"] | None = None,
    ) -> Predictions:
        """The heads alone, on the aggregator's tokens; ``image_size`` is (height, width)."""
        patch = self.config.patch_size
        grid = (image_size[0] // patch, image_size[1] // patch)
        found: dict[str, Tensor] = {}
        if "camera" in outputs and self.camera_head is not None:
            last = tokens.layers[self.config.aggregator.depth - 1]
            with torch.autocast(last.device.type, enabled=False):  # cameras are always float32
                found["pose_enc_iterations"] = self.camera_head(last[:, :, 0].float())
            found["pose_enc"] = found["pose_enc_iterations"][-1]
        if "depth" in outputs and self.depth_head is not None:
            raw, found["depth_conf"] = self.depth_head(tokens, image_size, grid)
            found["depth"] = depth_from_raw(raw)
        if "points" in outputs and self.point_head is not None:
            raw, found["points_conf"] = self.point_head(tokens, image_size, grid)
            found["points_world"] = points_from_raw(raw)
        if "tracks" in outputs and self.track_head is not None and query_points is not None:
            tracks, found["visibility"], found["track_conf"] = self.track_head(
                tokens, image_size, grid, query_points
            )
            found["tracks_iterations"], found["tracks"] = tracks, tracks[-1]
        return Predictions(image_size=image_size, **found)


def build_model(config: ModelConfig, device: torch.device | str = "cpu") -> VGGT:
    """A network with random weights, ready to be trained."""
    with torch.device(device):
        model = VGGT(config)
    if model.camera_head is not None:
        _start_from_a_plain_camera(model.camera_head)
    return model


def _start_from_a_plain_camera(head: CameraHead) -> None:
    """Begin at no motion and a field of view of one radian, not at a quaternion of length zero."""
    layer = head.pose_mlp.fc2
    with torch.no_grad():
        layer.weight.mul_(0.1)
        layer.bias.copy_(layer.bias.new_tensor([0.0, 0, 0, 0, 0, 0, 1, 1, 1]))
        layer.bias.div_(head.num_iterations)  # the iterations' updates add up
