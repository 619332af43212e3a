"""What a window's predictions depend on, as one hash: equal keys, equal predictions.

Photos count by the pixels that the network sees (their content and their preprocessing in one),
the network by all its numbers and their precision, and the options by their names.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from glance3d._version import __version__
from glance3d.images.physical_cameras import unstated_lens_ids
from glance3d.models import Network
from glance3d.pass_options import PassOptions
from glance3d.types import ImageBatch

_SCHEMA = "glance3d.window/1"


def window_keys(
    network: Network, batch: ImageBatch, options: PassOptions, windows: Sequence[tuple[int, ...]]
) -> tuple[str, ...]:
    """A SHA-256 for each window, in hexadecimal digits."""
    common = hashlib.sha256()
    made_by = (_SCHEMA, __version__, torch.__version__, network.device.type)
    asked = (options.computed, options.attention, options.cameras_from, batch.hidden_color)
    common.update(repr((*made_by, *asked, network.config)).encode())
    for name, values in sorted(network.state_dict().items()):
        add_tensor(common, name, values)
    return tuple(_key(common.copy(), network, batch.of_views(views)) for views in windows)


def _key(key: "hashlib._Hash", network: Network, seen: ImageBatch) -> str:
    add_tensor(key, "pixels", seen.pixels)
    if seen.hidden_color is not None:
        add_tensor(key, "usable", seen.usable_mask)
    if seen.focal_lengths is not None:
        add_tensor(key, "focal lengths", seen.focal_lengths)
    key.update(repr(unstated_lens_ids(seen)).encode())
    if seen.known_cameras is not None and network.takes_cameras:
        key.update(repr([vars(placement) for placement in seen.placements]).encode())
        for field in fields(seen.known_cameras):
            add_tensor(key, field.name, getattr(seen.known_cameras, field.name))
    return key.hexdigest()


def add_tensor(digest: "hashlib._Hash", name: str, values: Tensor | None) -> None:
    """Let a hash depend on a tensor: its name, type, shape and bytes."""
    if values is None:
        digest.update(f"{name} None;".encode())
        return
    digest.update(f"{name} {values.dtype} {tuple(values.shape)};".encode())
    if values.numel():
        whole = values.detach().cpu().contiguous().flatten()
        digest.update(whole.view(torch.uint8).numpy().data)
