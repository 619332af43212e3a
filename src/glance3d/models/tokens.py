"""Tokens on their way to the heads: a layer of any network, and all that VGGT keeps."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from glance3d.nn.patch_embed import StemMaps

Layer = Float[Tensor, "batch views tokens dim"]


class AggregatedTokens(NamedTuple):
    """VGGT's kept layers, by index from 0, each ``[batch, views, special + patches, 2 C]``.

    A layer is the frame block's output and the global block's output side by side. Token 0 of a
    view is its camera token; patch tokens start at ``patch_start_idx``, row by row. ``stem_maps``
    are those of all views of all scenes (none without a stem).
    """

    layers: dict[int, Float[Tensor, "batch views tokens channels"]]
    patch_start_idx: int
    stem_maps: StemMaps = ()
