"""Every size of a Depth Anything 3 is a field of a frozen config; a variant is a function."""

from dataclasses import dataclass, field
from typing import Any, Literal

from glance3d.errors import ConfigError
from glance3d.models.config.base import ModelConfig, read_part
from glance3d.models.config.dense import DPTHeadConfig
from glance3d.models.config.field_checks import check_fields, refuse_indivisible
from glance3d.pass_options import Output

ReferenceStrategy = Literal["saddle_balanced", "saddle_sim_range", "middle", "first"]


@dataclass(frozen=True)
class BackboneConfig:
    """A DINOv2 vision transformer whose later blocks attend within views and globally in turn.

    From block ``first_alternating`` on, blocks of an odd index are global. ``hidden_dim`` is the
    width of a perceptron, which with ``gated`` is a SwiGLU. ``image_size`` gives the position grid.
    """

    depth: int = 12
    num_heads: int = 6
    hidden_dim: int = 1536
    gated: bool = False
    first_alternating: int = 4
    image_size: int = 518
    init_values: float = 1.0
    rope_base: float = 100.0

    def __post_init__(self) -> None:
        """Refuse what is no such size; see :func:`check_fields`."""
        check_fields(self)
        if not 2 <= self.first_alternating < self.depth:
            raise ConfigError(
                f"first_alternating must be from 2 to {self.depth - 1} of {self.depth} blocks, got "
                f"{self.first_alternating}"
            )


@dataclass(frozen=True)
class CameraEncoderConfig:
    """What turns given cameras into camera tokens."""

    depth: int = 4
    num_heads: int = 16
    mlp_ratio: float = 4.0
    init_values: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what is no such size; see :func:`check_fields`."""
        check_fields(self)


@dataclass(frozen=True)
class DA3Config(ModelConfig):
    """A whole Depth Anything 3. ``dense`` reads depth and rays from the layers (blocks) it names.

    ``reference`` is how the network chooses the view that it tells all others from
    (:mod:`glance3d.models.da3.reference`), where there are three or more and no given cameras.
    """

    ARCHITECTURE = "da3"

    embed_dim: int = 384
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    dense: DPTHeadConfig = field(
        default_factory=lambda: DPTHeadConfig((5, 7, 9, 11), (48, 96, 192, 384), features=64)
    )
    camera_encoder: CameraEncoderConfig = field(default_factory=CameraEncoderConfig)
    reference: ReferenceStrategy = "saddle_balanced"

    def __post_init__(self) -> None:
        """Refuse widths that heads cannot divide and layers that do not exist."""
        check_fields(self)
        heads = self.backbone.num_heads
        if self.embed_dim % (heads * 4):
            raise ConfigError(
                f"embed_dim {self.embed_dim} must divide by 4 x {heads} heads: rotary positions "
                "turn quarters of a head"
            )
        refuse_indivisible(self.embed_dim, self.camera_encoder.num_heads, "camera encoder")
        if self.backbone.image_size < self.patch_size:
            raise ConfigError(
                f"image_size {self.backbone.image_size} holds no patch of {self.patch_size}"
            )
        layers, first = self.dense.layers, self.backbone.first_alternating
        if not all(first <= layer < self.backbone.depth for layer in layers):
            raise ConfigError(
                f"the dense head must read layers from {first} to {self.backbone.depth - 1}, got "
                f"{layers}"
            )
        if self.dense.reads_stem:
            raise ConfigError("the dense head reads a stem's maps, and this network has no stem")

    @property
    def num_blocks(self) -> int:
        """Transformer blocks, each of which has several tensors in a file of weights."""
        return self.backbone.depth + self.camera_encoder.depth

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What this network can predict."""
        return ("camera", "depth", "rays")

    def num_steps(self, outputs: tuple[Output, ...]) -> int:
        """How often a pass for these outputs tells its progress: once a block."""
        return max(self.dense.layers) + 1

    @classmethod
    def read_parts(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The parts of a dictionary as the configs that they are; the rest as it is."""
        kinds = {
            "backbone": BackboneConfig,
            "dense": DPTHeadConfig,
            "camera_encoder": CameraEncoderConfig,
        }
        parts = {name: read_part(kinds[name], data[name], name) for name in kinds.keys() & data}
        return {**data, **parts}


def da3_small() -> DA3Config:
    """The published DA3-SMALL (Lin et al. 2025), 34.3 M parameters."""
    return DA3Config(name="da3-small")


def da3_base() -> DA3Config:
    """The published DA3-BASE, 135.4 M parameters."""
    return DA3Config(
        name="da3-base",
        embed_dim=768,
        backbone=BackboneConfig(num_heads=12, hidden_dim=3072),
        dense=DPTHeadConfig((5, 7, 9, 11), (96, 192, 384, 768), features=128),
    )


def da3_large() -> DA3Config:
    """The published DA3-LARGE, 410.9 M parameters."""
    return DA3Config(
        name="da3-large",
        embed_dim=1024,
        backbone=BackboneConfig(depth=24, num_heads=16, hidden_dim=4096, first_alternating=8),
        dense=DPTHeadConfig((11, 15, 19, 23), (256, 512, 1024, 1024), features=256),
    )


def da3_giant() -> DA3Config:
    """The published DA3-GIANT without its Gaussian head, 1,320.0 M parameters."""
    return DA3Config(
        name="da3-giant",
        embed_dim=1536,
        backbone=BackboneConfig(
            depth=40, num_heads=24, hidden_dim=4096, gated=True, first_alternating=13
        ),
        dense=DPTHeadConfig((19, 27, 33, 39), (256, 512, 1024, 1024), features=256),
    )


def da3_tiny() -> DA3Config:
    """The smallest one with every part, for tests; its numbers are pinned by golden files."""
    return DA3Config(
        name="da3-tiny",
        embed_dim=64,
        backbone=BackboneConfig(
            depth=10, num_heads=4, hidden_dim=256, first_alternating=2, image_size=70
        ),
        dense=DPTHeadConfig((3, 5, 7, 9), (16, 24, 32, 48), features=32),
    )


def da3_tiny_odd() -> DA3Config:
    """As :func:`da3_tiny`, with SwiGLU, and layers that are not global among those read."""
    return DA3Config(
        name="da3-tiny-odd",
        embed_dim=64,
        backbone=BackboneConfig(
            depth=8, num_heads=4, hidden_dim=176, gated=True, first_alternating=3, image_size=70
        ),
        dense=DPTHeadConfig((4, 5, 6, 7), (16, 24, 32, 48), features=32),
    )
