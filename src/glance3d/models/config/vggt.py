"""Every size of a VGGT is a field of a frozen config; a variant is a function."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from glance3d.errors import ConfigError
from glance3d.models.config.base import ModelConfig, read_part
from glance3d.models.config.dense import DPTHeadConfig
from glance3d.models.config.field_checks import check_fields, refuse_indivisible
from glance3d.multiview.options import MultiviewOptions
from glance3d.pass_options import OUTPUTS, Output


@dataclass(frozen=True)
class VitEmbedConfig:
    """Patch embedding by a DINOv2 vision transformer. ``image_size`` gives its position grid."""

    depth: int = 24
    num_heads: int = 16
    image_size: int = 518
    num_register_tokens: int = 4
    mlp_ratio: float = 4.0
    init_values: float = 1.0
    kind: Literal["vit"] = "vit"

    def __post_init__(self) -> None:
        """Refuse what is no such size; see :func:`check_fields`."""
        check_fields(self)


@dataclass(frozen=True)
class ConvEmbedConfig:
    """Patch embedding by one convolution."""

    kind: Literal["conv"] = "conv"

    def __post_init__(self) -> None:
        """Refuse what is no such size; see :func:`check_fields`."""
        check_fields(self)


@dataclass(frozen=True)
class StemEmbedConfig:
    """Patch embedding by a stem of stride-2 convolutions."""

    base_channels: int = 32
    kind: Literal["stem"] = "stem"

    def __post_init__(self) -> None:
        """Refuse what is no such size; see :func:`check_fields`."""
        check_fields(self)


PatchEmbedConfig = VitEmbedConfig | ConvEmbedConfig | StemEmbedConfig


@dataclass(frozen=True)
class AggregatorConfig:
    """Alternating attention. ``order`` is which of the two blocks of a pair comes first."""

    depth: int = 24
    num_heads: int = 16
    order: tuple[str, ...] = ("frame", "global")
    num_register_tokens: int = 4
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    qk_norm: bool = True
    init_values: float = 0.01
    rope_base: float = 100.0

    def __post_init__(self) -> None:
        """Refuse an order that does not hold each kind of block once."""
        check_fields(self)
        if sorted(self.order) != ["frame", "global"]:
            raise ConfigError(f"order must hold 'frame' and 'global' once each, got {self.order}")


@dataclass(frozen=True)
class CameraHeadConfig:
    """Iterative camera head.

    ``start``: what it refines: "empty", a learned pose as in VGGT, or "matches", the poses that the
    correspondence head found.
    """

    trunk_depth: int = 4
    num_heads: int = 16
    mlp_ratio: float = 4.0
    init_values: float = 0.01
    num_iterations: int = 4
    start: Literal["empty", "matches"] = "empty"

    def __post_init__(self) -> None:
        """Refuse what is no such size; see :func:`check_fields`."""
        check_fields(self)


@dataclass(frozen=True)
class TrackHeadConfig:
    """DPT features at half resolution and a tracker on them."""

    layers: tuple[int, ...] = (4, 11, 17, 23)
    channels: tuple[int, ...] = (256, 512, 1024, 1024)
    latent_dim: int = 128
    hidden_dim: int = 384
    num_heads: int = 8
    depth: int = 6
    num_virtual_tracks: int = 64
    pyramid_levels: int = 7
    radius: int = 4
    num_iterations: int = 4
    flow_scale: float = 518.0
    reads_stem: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no such size, and a width that heads cannot share."""
        check_fields(self)
        refuse_indivisible(self.hidden_dim, self.num_heads, "tracker")
        _ = self.features  # it has rules of its own

    @property
    def features(self) -> DPTHeadConfig:
        """The dense head that makes the feature maps."""
        return DPTHeadConfig(
            self.layers, self.channels, self.latent_dim, reads_stem=self.reads_stem
        )


@dataclass(frozen=True)
class CorrespondenceConfig:
    """Matches between the cells of all views, by descriptors read from layer ``layer``.

    A cell is a quarter of a patch. What matches say is worked out for each pair of views by
    ``num_rounds`` rounds over its matches, ``hidden_dim`` wide, and pooled in ``num_pools`` ways to
    ``pair_dim`` numbers. ``window_radius`` is how many cells around the best one are averaged,
    ``sharpen_radius`` how many pixels around it are then compared to find it exactly (0: none).
    """

    layer: int = 1
    descriptor_dim: int = 64
    hidden_dim: int = 64
    num_rounds: int = 3
    num_pools: int = 4
    pair_dim: int = 128
    window_radius: int = 2
    sharpen_radius: int = 5

    def __post_init__(self) -> None:
        """Refuse what is no such size; see :func:`check_fields`."""
        check_fields(self)


@dataclass(frozen=True)
class VGGTConfig(ModelConfig):
    """A whole VGGT. A head that is None is absent, and so are its outputs.

    ``multiview`` are the constants of the geometry that a network with a correspondence head runs.
    """

    ARCHITECTURE = "vggt"

    embed_dim: int = 1024
    patch_embed: PatchEmbedConfig = field(default_factory=VitEmbedConfig)
    aggregator: AggregatorConfig = field(default_factory=AggregatorConfig)
    camera: CameraHeadConfig | None = field(default_factory=CameraHeadConfig)
    depth: DPTHeadConfig | None = field(default_factory=DPTHeadConfig)
    points: DPTHeadConfig | None = field(default_factory=DPTHeadConfig)
    tracks: TrackHeadConfig | None = field(default_factory=TrackHeadConfig)
    correspondence: CorrespondenceConfig | None = None
    multiview: MultiviewOptions = field(default_factory=MultiviewOptions)

    def __post_init__(self) -> None:
        """Refuse widths that heads cannot divide and layers that do not exist."""
        check_fields(self)
        heads = self.aggregator.num_heads
        if self.embed_dim % (heads * 4):
            raise ConfigError(
                f"embed_dim {self.embed_dim} must divide by 4 x {heads} heads: rotary positions "
                "turn quarters of a head"
            )
        self._check_widths()
        for output in ("depth", "points", "tracks"):
            head = getattr(self, output)
            if head and not all(0 <= layer < self.aggregator.depth for layer in head.layers):
                raise ConfigError(
                    f"the {output} head reads layers {head.layers}, but there are only "
                    f"{self.aggregator.depth}"
                )
            if head and head.reads_stem and not isinstance(self.patch_embed, StemEmbedConfig):
                raise ConfigError(f"the {output} head reads a stem's maps: use a stem patch_embed")
        if self.camera and self.camera.start == "matches" and self.correspondence is None:
            raise ConfigError("a camera head that starts from matches needs correspondence")
        if self.correspondence is not None:
            if not isinstance(self.patch_embed, StemEmbedConfig):
                raise ConfigError("correspondence reads the maps of a stem: use a stem patch_embed")
            if self.correspondence.layer >= self.aggregator.depth:
                raise ConfigError(
                    f"the correspondence head reads layer {self.correspondence.layer}, but there "
                    f"are only {self.aggregator.depth}"
                )

    def _check_widths(self) -> None:
        """Refuse what the parts refuse each other: heads, positions and the stem's halvings."""
        if isinstance(self.patch_embed, VitEmbedConfig):
            refuse_indivisible(self.embed_dim, self.patch_embed.num_heads, "patch embedding")
            if self.patch_embed.image_size < self.patch_size:
                raise ConfigError(
                    f"image_size {self.patch_embed.image_size} holds no patch of {self.patch_size}"
                )
        if self.camera is not None:
            refuse_indivisible(2 * self.embed_dim, self.camera.num_heads, "camera head")

    @property
    def num_blocks(self) -> int:
        """Transformer blocks, each of which has several tensors in a file of weights."""
        embed = self.patch_embed.depth if isinstance(self.patch_embed, VitEmbedConfig) else 0
        camera = self.camera.trunk_depth if self.camera is not None else 0
        tracks = 4 * self.tracks.depth if self.tracks is not None else 0
        return embed + 2 * self.aggregator.depth + camera + tracks

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What this network can predict."""
        return tuple(output for output in OUTPUTS if getattr(self, output, None) is not None)

    def matching(self, outputs: tuple[Output, ...]) -> CorrespondenceConfig | None:
        """The matches that these outputs need: only cameras that start from them need any."""
        starts = self.camera is not None and self.camera.start == "matches"
        return self.correspondence if starts and "camera" in outputs else None

    def following(self, outputs: tuple[Output, ...]) -> CorrespondenceConfig | None:
        """The descriptors that these outputs follow points by, instead of by the tracker.

        A network that learned to match has better ones than its tracker is good.
        """
        return self.correspondence if self.tracks is not None and "tracks" in outputs else None

    def layers_needed(self, outputs: tuple[Output, ...]) -> tuple[int, ...]:
        """The aggregator's layers that the heads of these outputs read, in order."""
        layers: set[int] = set()
        for output in outputs:
            head = getattr(self, output)
            layers.update(head.layers if output != "camera" else (self.aggregator.depth - 1,))
        described = self.matching(outputs) or self.following(outputs)
        if described is not None:
            layers.add(described.layer)
        return tuple(sorted(layers))

    def num_steps(self, outputs: tuple[Output, ...]) -> int:
        """How often a pass for these outputs tells its progress: once a layer."""
        return self.layers_needed(outputs)[-1] + 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without default ``multiview``; :meth:`from_dict` reads it back."""
        data = asdict(self)
        if self.multiview == MultiviewOptions():
            del data["multiview"]
        return data

    @classmethod
    def read_parts(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The parts of a dictionary as the configs that they are; the rest as it is."""
        given = dict(data)
        for name, part in _PARTS.items():
            if given.get(name) is not None:
                given[name] = read_part(part, given[name], name)
        if "multiview" in given:
            given["multiview"] = _read_multiview(given["multiview"])
        embed = given.get("patch_embed")
        kind = embed.get("kind") if isinstance(embed, dict) else None
        if not isinstance(kind, str) or kind not in _EMBEDDINGS:
            raise ConfigError(f"patch_embed must say its kind: {', '.join(_EMBEDDINGS)}")
        given["patch_embed"] = read_part(_EMBEDDINGS[kind], embed, "patch_embed")
        return given


_EMBEDDINGS: dict[str, Any] = {
    "vit": VitEmbedConfig,
    "conv": ConvEmbedConfig,
    "stem": StemEmbedConfig,
}
_PARTS: dict[str, Any] = {
    "aggregator": AggregatorConfig,
    "camera": CameraHeadConfig,
    "depth": DPTHeadConfig,
    "points": DPTHeadConfig,
    "tracks": TrackHeadConfig,
    "correspondence": CorrespondenceConfig,
}


def _read_multiview(data: Any) -> MultiviewOptions:
    """Options stage by stage; those that are not named are the default."""
    stages = {stage.name: stage.type for stage in fields(MultiviewOptions)}
    if isinstance(data, dict):
        data = {
            name: read_part(stages[name], part, f"multiview.{name}") if name in stages else part
            for name, part in data.items()
        }
    return read_part(MultiviewOptions, data, "multiview")


def vggt_1b() -> VGGTConfig:
    """The published VGGT-1B (Wang et al. 2025), 1,256.5 M parameters."""
    return VGGTConfig(name="vggt-1b")


def glance_small() -> VGGTConfig:
    """The package's own small model: the same architecture, sized for a laptop's processor."""
    channels, layers = (48, 64, 96, 96), (1, 2, 3, 5)
    dense = DPTHeadConfig(layers, channels, features=48, output_channels=16, reads_stem=True)
    return VGGTConfig(
        name="glance-small",
        patch_size=16,
        embed_dim=192,
        patch_embed=StemEmbedConfig(base_channels=24),
        aggregator=AggregatorConfig(depth=6, num_heads=3, init_values=0.1),
        camera=CameraHeadConfig(trunk_depth=2, num_heads=6, init_values=0.1, start="matches"),
        correspondence=CorrespondenceConfig(layer=3),
        depth=dense,
        points=dense,
        tracks=TrackHeadConfig(
            layers,
            channels,
            latent_dim=64,
            hidden_dim=128,
            depth=2,
            num_virtual_tracks=16,
            pyramid_levels=5,
            radius=2,
            num_iterations=3,
            reads_stem=True,
        ),
    )


def tiny() -> VGGTConfig:
    """The smallest network with every part, for tests; its numbers are pinned by golden files."""
    channels, layers = (16, 32, 48, 48), (0, 1, 2, 3)
    return VGGTConfig(
        name="tiny",
        embed_dim=64,
        patch_embed=VitEmbedConfig(depth=3, num_heads=4, image_size=70),
        aggregator=AggregatorConfig(depth=4, num_heads=4),
        camera=CameraHeadConfig(trunk_depth=2, num_heads=8),
        depth=DPTHeadConfig(layers, channels, features=32),
        points=DPTHeadConfig(layers, channels, features=32),
        tracks=TrackHeadConfig(
            layers,
            channels,
            latent_dim=32,
            hidden_dim=48,
            depth=2,
            pyramid_levels=3,
            radius=3,
        ),
    )
