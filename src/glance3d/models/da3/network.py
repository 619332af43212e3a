"""The network itself: a backbone, a dense head, and cameras by a decoder or from rays."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from glance3d.distributed.views import ViewShare, share_views
from glance3d.errors import InputError
from glance3d.models.checks import check_cameras, check_images, check_outputs
from glance3d.models.config import Output
from glance3d.models.config.da3 import DA3Config
from glance3d.models.da3.backbone import NUM_SPECIAL, Backbone
from glance3d.models.da3.camera_heads import CameraDecoder, CameraEncoder
from glance3d.models.da3.dense_head import DualDPT
from glance3d.models.da3.pose_encoding import decode_pose, encode_pose
from glance3d.models.da3.rays import cameras_from_rays
from glance3d.models.head_inputs import HeadInputs
from glance3d.models.network import Network
from glance3d.nn.block import Block
from glance3d.nn.precision import autocast, only_predicts
from glance3d.pass_options import CAMERA_SOURCES
from glance3d.types import Predictions

_DENSE: Output = "depth"  # what the levels of the dense head are collected as, rays included


@dataclass(frozen=True)
class DA3Predictions(Predictions):
    """What Depth Anything 3 says; its world is any until :meth:`in_first_camera`."""

    def as_dict(self) -> dict[str, Tensor | list[Tensor]]:
        """The published network's keys and shapes, without what is None."""
        published = {
            "depth": self.depth,
            "depth_conf": self.depth_conf,
            "extrinsics": self.cam_from_world,
            "intrinsics": self.intrinsics,
            "ray": self.ray,
            "ray_conf": self.ray_conf,
        }
        return {key: value for key, value in published.items() if value is not None}


class DA3(Network[DA3Config]):
    """Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647).

    What it shares with VGGT: blocks, rotary positions, the dense head's levels and stages, and how
    layers are projected as soon as they are made. Where they part: one transformer embeds patches
    and alternates; it chooses its reference view itself; cameras may be given; rays are predicted.
    """

    takes_cameras = True

    def __init__(self, config: DA3Config) -> None:
        super().__init__(config)
        dim = config.embed_dim
        self.backbone = Backbone(config)
        self.dense_head = DualDPT(2 * dim, config.dense)
        self.camera_encoder = CameraEncoder(dim, config.camera_encoder)
        self.camera_decoder = CameraDecoder(2 * dim)

    def initialise(self) -> None:
        """Cameras begin near plain ones."""
        self.camera_decoder.initialise()

    def embed_patches(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches dim"]:
        """As :meth:`Network.embed_patches`: where the network chooses its own reference view."""
        backbone = self.backbone
        tokens = backbone.embed(images[None])
        *_, (_, _, last) = backbone.stream(
            tokens, backbone.grid(images[None]), (self.config.backbone.first_alternating - 2,)
        )
        return backbone.norm(last[0, :, NUM_SPECIAL:])

    @property
    def large_products(self) -> list[nn.Module]:
        """The backbone and the dense head up to its last convolutions."""
        head = self.dense_head
        return [self.backbone, head.levels, head.depth_stages, head.ray_stages, head.depth_conv]

    @property
    def blocks(self) -> Sequence[Block]:
        """The blocks from which on views see each other."""
        blocks = self.backbone.blocks[self.config.backbone.first_alternating :]
        return [block for block in blocks if isinstance(block, Block)]

    def forward(
        self,
        images: Tensor,
        query_points: Tensor | None = None,
        outputs: Sequence[str] | None = None,
        attention: str = "full",
        focal_lengths: Tensor | None = None,
        camera_ids: Sequence[int] | None = None,
        cameras: tuple[Tensor, Tensor] | None = None,
        cameras_from: str = "decoder",
    ) -> DA3Predictions:
        """As :meth:`glance3d.models.Network.forward`; in any world, also where cameras are given.

        Args:
            images: See there.
            query_points: This network tracks none.
            outputs: See there.
            attention: See there.
            focal_lengths: Not used.
            camera_ids: Not used.
            cameras: ``cam_from_world`` and intrinsics in pixels of the images, as
                :class:`~glance3d.models.Network` says; then the first view is the reference.
            cameras_from: "decoder", or "rays": slower, and said to be more accurate; without
                gradients (:mod:`glance3d.models.da3.rays`).

        Raises:
            InputError: A shape, size or value cannot be used.
        """
        if query_points is not None:
            raise InputError(f"{self.config.name} tracks no points: leave out query_points")
        if cameras_from not in CAMERA_SOURCES:
            known = ", ".join(CAMERA_SOURCES)
            raise InputError(f"unknown cameras_from {cameras_from!r}: choose from {known}")
        wanted = check_outputs(outputs, self.config.outputs, has_queries=False)
        images = check_images(images, self.config.patch_size)
        size = (images.shape[-2], images.shape[-1])
        condition = None if cameras is None else self._encode(cameras, images)
        by_rays = "camera" in wanted and cameras_from == "rays"
        dense = {output for output in wanted if output != "camera"} | (
            {"rays"} if by_rays else set()
        )
        share = share_views(*images.shape[:2], only_predicts=only_predicts(images))
        inputs = self._collect(
            images[:, share.own],
            "camera" in wanted and not by_rays,
            bool(dense),
            condition,
            attention,
            share,
        )
        inputs.gather(share)
        values: dict[str, Tensor] = {}
        projected = inputs.pop(_DENSE)
        if projected is not None:
            made = self.dense_head(projected, size, inputs.grid, tuple(dense))
            values = {
                name: share.gathered(part.unflatten(0, inputs.batch_views))
                for name, part in made.items()
            }
        if by_rays:
            seen = cameras_from_rays(values["ray"], values["ray_conf"], size)
            values |= {"cam_from_world": seen.cam_from_world, "intrinsics": seen.intrinsics}
            if "rays" not in wanted:
                del values["ray"], values["ray_conf"]
        elif inputs.camera_tokens is not None:
            pose_enc = share.from_first(self.decode_cameras(inputs.camera_tokens))
            with autocast(images, enabled=False):
                poses, intrinsics = decode_pose(pose_enc, *size)
            values |= {"cam_from_world": poses, "intrinsics": intrinsics}
        return DA3Predictions(image_size=size, **values)

    def decode_cameras(
        self, camera_tokens: Float[Tensor, "batch views dim"]
    ) -> Float[Tensor, "batch views 9"]:
        """Cameras are always float32."""
        with autocast(camera_tokens, enabled=False):
            return self.camera_decoder(camera_tokens.float())

    def encode_cameras(
        self,
        cam_from_world: Float[Tensor, "batch views 3 4"],
        intrinsics: Float[Tensor, "batch views 3 3"],
        image_size: tuple[int, int],
    ) -> Float[Tensor, "batch views dim"]:
        """The camera tokens of given cameras, in float32; ``image_size`` is (height, width)."""
        with autocast(cam_from_world, enabled=False):
            return self.camera_encoder(encode_pose(cam_from_world, intrinsics, *image_size))

    def _encode(
        self, cameras: tuple[Tensor, Tensor], images: Float[Tensor, "batch views 3 height width"]
    ) -> Float[Tensor, "batch views dim"]:
        poses, intrinsics = check_cameras(cameras, images)
        return self.encode_cameras(poses, intrinsics, (images.shape[-2], images.shape[-1]))

    def _collect(
        self,
        images: Float[Tensor, "batch views 3 height width"],
        cameras: bool,
        dense: bool,
        condition: Float[Tensor, "batch all_views dim"] | None,
        attention: str,
        share: ViewShare,
    ) -> HeadInputs:
        """What the heads need of the layers, projected as soon as each is made.

        ``images`` are the share's own; ``condition`` is of all views.
        """
        backbone, last = self.backbone, max(self.config.dense.layers)
        grid = backbone.grid(images)
        inputs = HeadInputs(
            {_DENSE: self.dense_head.levels} if dense else {},
            last if cameras else None,
            NUM_SPECIAL,
            (images.shape[0], images.shape[1]),
            (images.shape[-2], images.shape[-1]),
            grid,
            last_norm=backbone.norm,
        )
        layers = self.config.dense.layers if dense else (last,)
        tokens = backbone.embed(images)
        stream = backbone.stream(tokens, grid, layers, attention, condition, share)
        del tokens
        for layer in stream:
            inputs.collect(*layer)
            del layer  # the heads need the memory
        return inputs
