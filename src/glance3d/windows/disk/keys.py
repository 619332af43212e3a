"""What a pass's predictions depend on, as one hash: equal keys, equal predictions.

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


class WindowKeys:
    """The keys of passes by one network over some views of one batch."""

    def __init__(self, network: Network, batch: ImageBatch, options: PassOptions) -> None:
        self._batch, self._takes_cameras = batch, network.takes_cameras
        self._common = hashlib.sha256()
        made_by = (_SCHEMA, __version__, torch.__version__, network.device.type)
        asked = (options.computed, options.attention, options.cameras_from, batch.hidden_color)
        self._common.update(repr((*made_by, *asked)).encode())
        add_network(self._common, network)

    def of(self, views: Sequence[int]) -> str:
        """A SHA-256 in hexadecimal digits, of a pass that is shown these views in this order."""
        key, seen = self._common.copy(), self._batch.of_views(views)
        add_tensor(key, "pixels", seen.pixels)
        if seen.hidden_color is not None:
            add_tensor(key, "usable", seen.usable_mask)
        if seen.focal_lengths is not None:
            add_tensor(key, "focal lengths", seen.focal_lengths)
        key.update(repr(unstated_lens_ids(seen)).encode())
        if seen.known_cameras is not None and self._takes_cameras:
            key.update(repr([vars(placement) for placement in seen.placements]).encode())
            for field in fields(seen.known_cameras):
                add_tensor(key, field.name, getattr(seen.known_cameras, field.name))
        return key.hexdigest()


def add_network(digest: "hashlib._Hash", network: Network) -> None:
    """Let a hash depend on a network: its config and all its numbers."""
    digest.update(repr(network.config).encode())
    for name, values in sorted(network.state_dict().items()):
        add_tensor(digest, name, values)


def add_tensor(digest: "hashlib._Hash", name: str, values: Tensor | None) -> None:
    """Let a hash depend on a tensor: its name, type, shape and bytes."""
    if values is None:
        digest.update(f"{name} None;".encode())
        return
    digest.update(f"{name} {values.dtype} {tuple(values.shape)};".encode())
    if values.numel():
        whole = values.detach().cpu().contiguous().flatten()
        digest.update(whole.view(torch.uint8).numpy().data)
