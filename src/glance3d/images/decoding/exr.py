"""Depth in OpenEXR files: one channel of numbers, of several the one that is called depth."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from glance3d.errors import ImageError, MissingExtraError
from glance3d.files.regular_file import regular_file
from glance3d.images.files.decoders import check_size, decoding

# Channels that hold depth, in the order in which they are looked for.
_CHANNELS = ("Z", "depth", "Depth", "depth.Z", "ViewLayer.Depth.Z", "Y", "R", "V")


def read_exr(path: Path) -> Shaped[np.ndarray, "height width"]:
    """The depth channel, as stored.

    Raises:
        ImageError: no file, damaged, too large, or without such a channel.
        MissingExtraError: OpenEXR is not installed.
    """
    try:
        import OpenEXR  # pyrefly: ignore[missing-import] (it has no types)
    except ImportError as error:
        raise MissingExtraError("reading EXR depth", "openexr", "exr") from error

    regular_file(path, error=ImageError)
    with decoding(path.name):
        with OpenEXR.File(str(path), header_only=True) as file:
            low, high = (np.asarray(corner) for corner in file.header()["dataWindow"])
            width, height = (int(side) for side in high - low + 1)
            check_size((width, height), "it", min_side=1)
        with OpenEXR.File(str(path), separate_channels=True) as file:
            return np.array(_depth_channel(file.channels()))


def _depth_channel(channels: dict[str, Any]) -> Any:
    name = next((name for name in _CHANNELS if name in channels), None)
    if name is None and len(channels) == 1:
        name = next(iter(channels))
    if name is None:
        raise ImageError(f"it must have a channel Z of depth, got {', '.join(sorted(channels))}")
    return channels[name].pixels
