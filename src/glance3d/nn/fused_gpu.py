"""Chains of small steps as one kernel on a GPU, where each step alone would go through its memory.

Between the large products of a block, a GPU spends more time on norms and rotations than on the
products themselves: every step reads and writes everything. The kernels are Triton's, which comes
with PyTorch for GPUs on Linux. They are used while predicting, and only after a trial on the device
gave what the plain steps give.
"""

import functools
import logging
from types import ModuleType

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_LOG = logging.getLogger("glance3d")
_TOLERANCE = 2e-2  # of bfloat16 numbers around one, each rounded once


def kernels_for(device: torch.device) -> ModuleType | None:
    """The kernels, if this device runs them and rightly; found out once for each device."""
    return _tried_kernels(device) if device.type == "cuda" else None


@functools.cache
def _tried_kernels(device: torch.device) -> ModuleType | None:
    """The first forward waits for it, as it waits for its tables."""
    try:
        from glance3d.nn import gpu_kernels
    except ImportError:
        return None
    try:
        with torch.inference_mode(False), torch.no_grad():
            right = gives_what_plain_steps_give(gpu_kernels, device)
    except Exception as error:  # a compiler can fail in any way, and the plain steps always work
        _LOG.info("no fused kernels on %s: %s", device, error)
        return None
    if not right:
        _LOG.warning("fused kernels say something else than plain steps on %s: not used", device)
    return gpu_kernels if right else None


def gives_what_plain_steps_give(kernels: ModuleType, device: torch.device) -> bool:
    """A small trial of both kernels."""
    x = torch.linspace(-2, 2, 3 * 5 * 4 * 64, device=device).sin().view(15, 4, 64)
    weight, bias = x[0, 0] + 1, x[0, 1]
    wide = x.flatten(1)
    found = norm(kernels, wide, wide[0] + 1, wide[1], 1e-5, torch.bfloat16)
    plain = F.layer_norm(wide, (256,), wide[0] + 1, wide[1], 1e-5).bfloat16()
    table = x[:5, 0].cos(), x[:5, 1].sin()
    heads = x.bfloat16()
    turned = norm_and_rotate(kernels, heads, (weight, bias, 1e-5), table)
    plain_turned = plain_norm_and_rotate(heads, (weight, bias, 1e-5), table)
    pairs = ((found, plain), (turned, plain_turned))
    return all(torch.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE) for a, b in pairs)


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
    swapped = values.unflatten(-1, (2, 2, -1)).flip(-2).flatten(-3)
    return (values * cos + swapped * sin).to(x.dtype)


def _on(device: torch.device) -> torch.cuda.device:
    """Triton launches on the current device, which need not be the tensors'."""
    return torch.cuda.device(device if device.type == "cuda" else -1)


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()
