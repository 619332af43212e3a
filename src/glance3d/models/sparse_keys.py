"""Fewer keys and values in the global layers: approximate, and only when asked for by name.

Global attention grows with the square of the number of views. Every query is kept. "thin": so are
the first view (the network's reference) and every special token; of the other views, only some
patches serve as keys and values, on a regular lattice whose origin moves from view to view. The
sensitive middle layers are left whole (AVGGT and Spark3R report which those are).

"near": each view attends to the first one, to itself and to the views that are most alike to it as
whole photos, to all of their tokens: time grows with the number of views and not its square. What
is further away is known through the views between, layer by layer.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.distributed.views import ViewShare
from glance3d.errors import InputError
from glance3d.nn.tables import cached_table
from glance3d.pass_options import ATTENTIONS
from glance3d.retrieval import photo_likeness, pool_tokens

WHOLE_VIEWS = 8  # up to as many views nothing is thinned
PROTECTED_LAYERS = (10 / 24, 17 / 24)  # from and up to which share of the depth layers stay whole
LARGEST_STRIDE = 4
NEAR_VIEWS = 16  # that each view attends to, itself among them


def check_attention(attention: str, predicting: bool, share: ViewShare) -> None:
    """Refuse an unknown kind, an approximate one while training, and "near" of several ranks."""
    if attention not in ATTENTIONS:
        raise InputError(f"unknown attention {attention!r}: choose from {', '.join(ATTENTIONS)}")
    if attention != "full" and not predicting:
        raise InputError(f"attention {attention!r} is for prediction only: run under no_grad")
    if attention == "near" and not share.is_whole:
        raise InputError(
            f'attention "near" runs in one process, got {share.group.size}: use "full" or "thin"'
        )


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
    if attention != "thin" or protected or stride == 1:
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


def near_keys(
    tokens: Float[Tensor, "scenes views tokens dim"], num_special: int
) -> Int[Tensor, "views kept"] | None:
    """Which tokens of the scene serve as keys and values for each view; None for all.

    Those of the first view, of the view itself and of the views most alike to it, ``NEAR_VIEWS`` in
    all. ``tokens`` are from before views see each other; a view's special tokens come first.

    Raises:
        InputError: there are several scenes, whose views would not be near the same ones.
    """
    scenes, views, view_tokens = tokens.shape[:3]
    if scenes > 1:
        raise InputError(f'attention "near" is of one scene at a time, got {scenes}')
    if views <= NEAR_VIEWS:
        return None
    patches = tokens[0, :, num_special:].float()
    likeness = photo_likeness(pool_tokens(patches, torch.ones_like(patches[..., 0])))
    likeness.fill_diagonal_(torch.inf)
    likeness[:, 0] = torch.inf
    near = likeness.topk(NEAR_VIEWS, -1).indices.sort(-1).values
    within = torch.arange(view_tokens, device=tokens.device)
    return (near[..., None] * view_tokens + within).flatten(1)


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
