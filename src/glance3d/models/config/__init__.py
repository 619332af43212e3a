"""Every size of a network is a field of a frozen config; a variant is a function."""

from glance3d.models.config.base import ModelConfig
from glance3d.models.config.da3 import (
    DA3Config,
    da3_base,
    da3_giant,
    da3_large,
    da3_small,
    da3_tiny,
    da3_tiny_odd,
)
from glance3d.models.config.dense import DPTHeadConfig
from glance3d.models.config.vggt import (
    AggregatorConfig,
    CameraHeadConfig,
    ConvEmbedConfig,
    CorrespondenceConfig,
    StemEmbedConfig,
    TrackHeadConfig,
    VGGTConfig,
    VitEmbedConfig,
    glance_small,
    tiny,
    vggt_1b,
)
from glance3d.pass_options import OUTPUTS, Output

__all__ = [
    "OUTPUTS",
    "AggregatorConfig",
    "CameraHeadConfig",
    "ConvEmbedConfig",
    "CorrespondenceConfig",
    "DA3Config",
    "DPTHeadConfig",
    "ModelConfig",
    "Output",
    "StemEmbedConfig",
    "TrackHeadConfig",
    "VGGTConfig",
    "VitEmbedConfig",
    "da3_base",
    "da3_giant",
    "da3_large",
    "da3_small",
    "da3_tiny",
    "da3_tiny_odd",
    "glance_small",
    "tiny",
    "vggt_1b",
]
