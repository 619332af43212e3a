"""The size of a dense head, which every architecture has."""

from dataclasses import dataclass

from glance3d.errors import ConfigError
from glance3d.models.config.field_checks import check_fields


@dataclass(frozen=True)
class DPTHeadConfig:
    """DPT: which layers it reads, the channels it projects each to, and its fused width.

    With ``reads_stem`` its two finest levels also read the maps of a stem of that size: edges need
    not come through the tokens.
    """

    layers: tuple[int, ...] = (4, 11, 17, 23)
    channels: tuple[int, ...] = (256, 512, 1024, 1024)
    features: int = 256
    output_channels: int = 32
    reads_stem: bool = False

    def __post_init__(self) -> None:
        """Refuse anything but four levels, and widths that a UV code cannot fill."""
        check_fields(self)
        if len(self.layers) != 4 or len(self.channels) != 4:
            raise ConfigError("a dense head reads four layers and projects to four widths")
        if self.features % 8 or any(channels % 4 for channels in self.channels):
            raise ConfigError("features must divide by 8 and channels by 4, for the UV embedding")
