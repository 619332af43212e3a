"""Teach a head of the global attention to look at the same point in the other views.

Cameras can only be learned once tokens find their counterparts in other views, and left to itself
attention takes very long to discover that. True correspondences are at hand, so they are taught:
in chosen global layers the first head's attention from a visible point is pulled, by cross-entropy,
to the patches that show the same point in the other views. The network itself is not changed, and
its other heads stay free.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from glance3d.nn.attention import SelfAttention
from glance3d.nn.rope import RopeTable, apply_rope
from glance3d.training.losses import Losses
from glance3d.training.matching import bilinear_corners, sample_sparsely

CapturedInputs = list[tuple[SelfAttention, Tensor, RopeTable]]


@contextmanager
def capture_inputs(attentions: Sequence[nn.Module]) -> Iterator[CapturedInputs]:
    """Collects what each of these attentions is given while this thread runs the network."""
    captured: CapturedInputs = []
    thread = get_ident()

    def keep(module: nn.Module, inputs: tuple) -> None:
        if get_ident() == thread:
            captured.append((cast(SelfAttention, module), inputs[0], inputs[1]))

    hooks = [attention.register_forward_pre_hook(keep) for attention in attentions]
    try:
        yield captured
    finally:
        for hook in hooks:
            hook.remove()


def first_head_scores(
    attention: SelfAttention, x: Float[Tensor, "batch tokens dim"], rope: RopeTable
) -> tuple[Float[Tensor, "batch tokens head_dim"], Float[Tensor, "batch tokens head_dim"]]:
    """The first head's queries, scaled, and keys: their products are the attention's logits."""
    dim = x.shape[-1]
    width = dim // attention.num_heads
    parts = []
    for first_row, norm in ((0, attention.q_norm), (dim, attention.k_norm)):
        rows = slice(first_row, first_row + width)
        bias = None if attention.qkv.bias is None else attention.qkv.bias[rows]
        part = norm(F.linear(x, attention.qkv.weight[rows], bias))
        parts.append(apply_rope(part[:, None].float(), rope)[:, 0])
    return parts[0] * width**-0.5, parts[1]


def attention_loss(
    queries: Float[Tensor, "batch tokens head_dim"],
    keys: Float[Tensor, "batch tokens head_dim"],
    grid: tuple[int, int],
    tracks_patches: Float[Tensor, "batch views points 2"],
    visibility: Bool[Tensor, "batch views points"],
) -> Losses:
    """Cross-entropy of the attention over all tokens from each point to itself in other views.

    Tokens are those of all views, special tokens first in each. ``tracks_patches`` are positions
    on the patch ``grid`` (rows, columns), the first patch's centre at 0. A point's target is shared
    by the views that see it, and bilinearly by the four patches around it. Only points seen in
    two views or more count. ``attention_share`` is how much attention such points pay to the truth.
    """
    batch, views = tracks_patches.shape[:2]
    num_patches = grid[0] * grid[1]
    per_view = queries.shape[1] // views
    of_patches = queries.unflatten(1, (views, per_view))[:, :, per_view - num_patches :]
    maps = of_patches.flatten(0, 1).transpose(1, 2).unflatten(2, grid)
    asked = sample_sparsely(maps, tracks_patches.flatten(0, 1)).unflatten(0, (batch, views))
    logits = torch.einsum("bvnd,btd->bvnt", asked, keys)
    log_attention = F.log_softmax(logits, -1).unflatten(-1, (views, per_view))
    log_attention = log_attention[..., per_view - num_patches :]
    index, weights = bilinear_corners(tracks_patches.flatten(0, 1), grid)
    at_truth = _log_attention_at(
        log_attention, index.unflatten(0, (batch, views)), weights.unflatten(0, (batch, views))
    )
    others = ~torch.eye(views, dtype=torch.bool, device=visibility.device)
    wanted = visibility[:, :, None] & visibility[:, None] & others[:, :, None]
    share = wanted.float() / wanted.sum(2, keepdim=True).clamp(min=1)
    counted = wanted.any(2).sum().clamp(min=1)
    attention_on_truth = torch.where(wanted, at_truth.detach().exp(), 0.0).sum() / counted
    return {
        "attention": -(share * at_truth).sum() / counted,
        "attention_share": attention_on_truth,
    }


def _log_attention_at(
    log_attention: Float[Tensor, "batch views points views patches"],
    index: Int[Tensor, "batch views 4 points"],
    weights: Float[Tensor, "batch views 4 points"],
) -> Float[Tensor, "batch views views points"]:
    """[b, v, w, n]: from point n in view v, the weighted log attention on its four patches in w."""
    batch, views, points = log_attention.shape[:3]
    by_target = log_attention.transpose(2, 3)  # batch, from view, to view, points, patches
    where = index.transpose(2, 3)[:, None].expand(batch, views, views, points, 4)
    share = weights.transpose(2, 3)[:, None]
    return (by_target.gather(-1, where) * share).sum(-1)
