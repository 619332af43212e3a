"""Fewer keys and values in the global layers: approximate, and only when asked for by name.

Global attention grows with the square of the number of views. Every query is kept, and so are the
first view (the network's reference) and every special token; of the other views, only some patches
serve as keys and values, on a regular lattice whose origin moves from view to view. The
sensitive middle layers are left whole (AVGGT and Spark3R report which those are).
"""

import math

import torch
from jaxtyping import Int
from torch import Tensor

from glance3d.distributed.views import ViewShare
from glance3d.errors import InputError
from glance3d.nn.tables import cached_table
from glance3d.pass_options import ATTENTIONS

WHOLE_VIEWS = 8  # up to as many views nothing is thinned
PROTECTED_LAYERS = (10 / 24, 17 / 24)  # from and up to which share of the depth layers stay whole
LARGEST_STRIDE = 4


def check_attention(attention: str, predicting: bool) -> None:
    """Refuse an unknown kind, and an approximate one while training."""
    if attention not in ATTENTIONS:
        raise InputError(f"unknown attention {attention!r}: choose from {', '.join(ATTENTIONS)}")
    if attention != "full" and not predicting:
        raise InputError(f"attention {attention!r} is for prediction only: run under no_grad")


def thinning_stride(num_views: int) -> int:
    """Patches of a lattice of this stride stay, so that about ``WHOLE_VIEWS`` views' worth does."""
    if num_views <= WHOLE_VIEWS:
        return 1
    return min(LARGEST_STRIDE, math.ceil(math.sqrt(num_views / WHOLE_VIEWS)))


def kept_keys(
    attention: str,
    layer: int,
    depth: int,
    num_views: int,
    grid: tuple[int, int],
    num_special: int,
    device: torch.device,
) -> Int[Tensor, " kept"] | None:
    """Which tokens of a scene serve as keys and values in this global layer; None for all."""
    protected = PROTECTED_LAYERS[0] <= layer / depth < PROTECTED_LAYERS[1]
    stride = thinning_stride(num_views)
    if attention == "full" or protected or stride == 1:
        return None
    return _lattice(stride, num_views, grid, num_special, device)


def keys_of_share(
    keys: Int[Tensor, " kept"] | None,
    share: ViewShare,
    view_tokens: int,
    places: Int[Tensor, " views"] | None = None,
) -> tuple[Int[Tensor, " own_kept"] | None, list[int] | int]:
    """Which of this rank's tokens serve as keys, and how many of every rank do (or of each view).

    ``keys`` are :func:`kept_keys` of the whole scene. ``places``: where each view of the scene is
    in the order that ``keys`` are for.
    """
    if keys is None or share.is_whole:
        return keys, view_tokens
    kept = torch.zeros(share.num_views * view_tokens, dtype=torch.bool, device=keys.device)
    kept[keys] = True
    of_views = kept.unflatten(0, (-1, view_tokens))
    if places is not None:
        of_views = of_views[places]
    counts = [int(part.sum()) for part in of_views.split(share.counts)]
    return of_views[share.own].flatten().nonzero().squeeze(1), counts


@cached_table
def _lattice(
    stride: int,
    num_views: int,
    grid: tuple[int, int],
    num_special: int,
    device: torch.device,
) -> Int[Tensor, " kept"]:
    """Indices of the first view's tokens, all special tokens, and the others' lattices."""
    rows, columns = grid
    view_tokens = num_special + rows * columns
    kept = [torch.arange(view_tokens)]
    row, column = torch.arange(rows)[:, None], torch.arange(columns)
    for view in range(1, num_views):
        # The lattice's origin: (phase // stride, phase % stride), another one for each view.
        phase = view % stride**2  # neighbouring views keep different patches
        chosen = (row % stride == phase // stride) & (column % stride == phase % stride)
        patches = num_special + chosen.flatten().nonzero().squeeze(1)
        kept.append(view * view_tokens + torch.cat([torch.arange(num_special), patches]))
    return torch.cat(kept).to(device)
