"""Chains of small steps as one kernel on a GPU, where each step alone would go through its memory.

Between the large products of a block, a GPU spends more time on norms and rotations than on the
products themselves: every step reads and writes everything. The kernels are Triton's, which comes
with PyTorch for GPUs on Linux. They are used while predicting, and only after a trial on the device
(:mod:`glance3d.nn.fast.paths`): they gave what the plain steps give, and faster.
"""

import importlib
from functools import partial
from types import ModuleType

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.nn.fast.operations import FUSED_STEPS, PLAIN
from glance3d.nn.fast.paths import choose
from glance3d.nn.fast.trial import Trial, example

_TRIED_TOKENS = 4096  # so many that the work counts, not the launches


def kernels_for(device: torch.device) -> ModuleType | None:
    """The kernels, if this device runs them rightly and faster; tried once for each device."""
    if device.type != "cuda":
        return None
    make_trial = partial(trial, device, _TRIED_TOKENS)
    path = choose(FUSED_STEPS, "before products", device, torch.bfloat16, make_trial)
    return _kernels() if path == "triton" else None


def _kernels() -> ModuleType:
    """Imported when they are first needed: not everybody has Triton."""
    return importlib.import_module("glance3d.nn.fast.gpu_kernels")


def trial(device: torch.device, tokens: int) -> Trial:
    """Both kernels and their plain steps, on examples of some tokens of one view."""
    heads, dim = 16, 64
    x = example(tokens, heads * dim, device=device)
    turned = x.view(tokens, heads, dim).bfloat16()
    wide = (x[0] + 1, x[1], 1e-5)
    learned = (turned[0, 0].float() + 1, turned[0, 1].float(), 1e-5)
    table = (x[:, :dim].cos(), x[:, :dim].sin())

    def plain() -> tuple[Tensor, Tensor]:
        normed = F.layer_norm(x, (heads * dim,), *wide).bfloat16()
        return normed, plain_norm_and_rotate(turned, learned, table)

    def fused() -> tuple[Tensor, Tensor]:
        kernels = _kernels()
        normed = norm(kernels, x, *wide, torch.bfloat16)
        return normed, norm_and_rotate(kernels, turned, learned, table)

    return {PLAIN: plain, "triton": fused}


def norm(
    kernels: ModuleType,
    x: Float[Tensor, "*batch dim"],
    weight: Float[Tensor, " dim"] | None,
    bias: Float[Tensor, " dim"] | None,
    eps: float,
    dtype: torch.dtype,
) -> Float[Tensor, "*batch dim"]:
    """Layer norm in float32 of any ``x``, rounded to ``dtype``."""
    rows = x.reshape(-1, x.shape[-1])
    # The kernel takes any stride between rows, and channels side by side.
    rows = rows if rows.stride(-1) == 1 else rows.contiguous()
    out = rows.new_empty(rows.shape, dtype=dtype)
    dim = rows.shape[1]
    affine = weight is not None and bias is not None
    with _on(x.device):
        kernels.norm_kernel[(len(rows),)](
            rows, weight, bias, out, rows.stride(0), dim, eps, affine, _power_of_two(dim)
        )
    return out.view(x.shape)


Norm = tuple[Float[Tensor, " dim"], Float[Tensor, " dim"], float]
Table = tuple[Float[Tensor, "view_tokens dim"], Float[Tensor, "view_tokens dim"]]


def norm_and_rotate(
    kernels: ModuleType,
    x: Float[Tensor, "tokens heads dim"],
    norm: Norm | None,
    table: Table,
) -> Float[Tensor, "tokens heads dim"]:
    """Queries or keys, view after view: normed by head (or not), rotated, rounded as ``x`` is.

    ``norm`` is a layer norm's weight, bias and epsilon; ``table`` are the cosines and the signed
    sines of the tokens of one view, channel by channel (:class:`glance3d.nn.rope.RopeTable`).
    """
    tokens, heads, dim = x.shape
    x = x if x.stride(-1) == 1 else x.contiguous()
    out = x.new_empty(x.shape)
    weight, bias, eps = (None, None, 0.0) if norm is None else norm
    widths = (norm is not None, _power_of_two(heads), _power_of_two(dim))
    strides = (x.stride(0), x.stride(1))
    with _on(x.device):
        kernels.norm_and_rotate_kernel[(tokens,)](
            x, weight, bias, *table, out, len(table[0]), *strides, heads, dim, eps, *widths
        )
    return out


def plain_norm_and_rotate(
    x: Float[Tensor, "tokens heads dim"], norm: Norm | None, table: Table
) -> Float[Tensor, "tokens heads dim"]:
    """:func:`norm_and_rotate` step by step."""
    cos, sin = (part.repeat(len(x) // len(part), 1)[:, None] for part in table)
    values = x.float()
    if norm is not None:
        values = F.layer_norm(values, (x.shape[-1],), *norm)
    # (axis, first or second of a pair, quarter): flipping the pair gives each channel its partner.
    swapped = values.unflatten(-1, (2, 2, -1)).flip(-2).flatten(-3)
    return (values * cos + swapped * sin).to(x.dtype)


def _on(device: torch.device) -> torch.cuda.device:
    """Triton launches on the current device, which need not be the tensors'."""
    return torch.cuda.device(device if device.type == "cuda" else -1)


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()
