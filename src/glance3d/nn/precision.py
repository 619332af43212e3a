"""Who decides the precision: the weights.

A matrix product runs at the precision of its weight, whatever comes in. Norms compute in float32,
and so does the residual stream, because adding a bfloat16 result to a float32 stream keeps float32.
Casting the weights of a module's ``Linear`` and ``Conv`` layers is therefore all it takes to choose
a precision.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from glance3d.nn.chunks import cached_slices
from glance3d.nn.fast import cpu as fast_cpu
from glance3d.nn.fast import gpu as fused_gpu


def is_autocast(x: Tensor) -> bool:
    """Whether autocast decides the precision; never of shapes alone, on the meta device."""
    return x.device.type != "meta" and torch.is_autocast_enabled(x.device.type)


def autocast(x: Tensor, *, enabled: bool) -> AbstractContextManager[Any]:
    """Products in bfloat16 inside, or none; on the meta device nothing of either."""
    if x.device.type == "meta":
        return nullcontext()
    return torch.autocast(x.device.type, torch.bfloat16, enabled=enabled)


def only_predicts(x: Tensor) -> bool:
    """Whether no gradients are asked for and no autocast decides the precision.

    Then numbers may be written in place and work be cut into chunks.
    """
    return not torch.is_grad_enabled() and not is_autocast(x)


def product(
    x: Float[Tensor, "*batch in_dim"],
    weight: Float[Tensor, "out_dim in_dim"],
    bias: Float[Tensor, " out_dim"] | None,
    gelu: bool = False,
) -> Float[Tensor, "*batch out_dim"]:
    """``x W^T + b``, at the weight's precision; under autocast, at autocast's."""
    # Autocast casts input and weight itself, inside F.linear.
    if not is_autocast(x):
        x = x.to(weight.dtype)
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            return fast_cpu.linear(x, weight, bias, gelu)
    out = F.linear(x, weight, bias)
    return F.gelu(out) if gelu else out


class Lora(nn.Module):
    """A low-rank update of a weight (LoRA, Hu et al. 2021, arXiv 2106.09685).

    It is ``scale * B A``, to be added to a frozen weight; its product is ``scale * B (A x)``.
    ``lora_A`` is ``[rank, in_dim]`` and random, ``lora_B`` is ``[out_dim, rank]`` and zero at
    first, so that a new one changes nothing. It computes in its own precision, float32.
    """

    def __init__(
        self, in_dim: int, out_dim: int, rank: int, scale: float, device: torch.device | str
    ) -> None:
        super().__init__()
        self.scale = scale
        self.lora_A = nn.Parameter(torch.empty(rank, in_dim, device=device))
        self.lora_B = nn.Parameter(torch.zeros(out_dim, rank, device=device))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))  # as nn.Linear draws its weights

    def forward(
        self, x: Float[Tensor, "*batch in_dim"], rows: slice = slice(None)
    ) -> Float[Tensor, "*batch rows"]:
        """What is added to the layer's product, or only some ``rows`` of it."""
        return F.linear(F.linear(x.to(self.lora_A.dtype), self.lora_A), self.lora_B[rows]) * (
            self.scale
        )

    def added_weight(self) -> Float[Tensor, "out_dim in_dim"]:
        """What is added to the layer's weight, in float32."""
        return self.scale * (self.lora_B.float() @ self.lora_A.float())


class Linear(nn.Linear):
    """A linear layer that takes its input at the precision of its weight.

    ``lora`` is an adapter that is being trained, None in almost all networks: those that are loaded
    have theirs in their weights (:mod:`glance3d.models.adapters`). What it adds is added before
    any activation.
    """

    lora: Lora | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)
        self.lora = None

    def forward(
        self, input: Float[Tensor, "*batch in_dim"], gelu: bool = False
    ) -> Float[Tensor, "*batch out_dim"]:
        """:func:`product`; ``gelu``: through the exact GELU as well."""
        if self.lora is None:
            return product(input, self.weight, self.bias, gelu)
        out = product(input, self.weight, self.bias)
        out = out + self.lora(input).to(out.dtype)
        return F.gelu(out) if gelu else out

    def some_rows(
        self, input: Float[Tensor, "*batch in_dim"], rows: slice
    ) -> Float[Tensor, "*batch rows"]:
        """Only some channels of the output, for layers that pack several in one."""
        # Under autocast F.linear casts by itself.
        if not is_autocast(input):
            input = input.to(self.weight.dtype)
        out = F.linear(input, self.weight[rows], None if self.bias is None else self.bias[rows])
        return out if self.lora is None else out + self.lora(input, rows).to(out.dtype)


class LayerNorm(nn.LayerNorm):
    """Layer norm over the last dimension, in float32 whatever comes in."""

    def forward(self, input: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Normalised in float32."""
        return F.layer_norm(input.float(), self.normalized_shape, self.weight, self.bias, self.eps)

    def rounded(
        self, x: Float[Tensor, "batch tokens dim"], dtype: torch.dtype
    ) -> Float[Tensor, "batch tokens dim"]:
        """:meth:`forward` for prediction, at the precision of the product that comes next.

        What is float32 in between stays in the cache.
        """
        # Nothing to round: the norm's own result is what the product takes.
        if dtype == torch.float32:
            return self(x)
        kernels = fused_gpu.kernels_for(x.device)
        if kernels is not None:
            return fused_gpu.norm(kernels, x, self.weight, self.bias, self.eps, dtype)
        out = x.new_empty(x.shape, dtype=dtype)
        for rows in cached_slices(x.shape[1], x.shape[0] * x.shape[2], x.device):
            out[:, rows] = self(x[:, rows])
        return out


class Conv2d(nn.Conv2d):
    """A convolution that takes its input at the precision of its weight."""

    def forward(self, input: Float[Tensor, "n c_in h w"]) -> Float[Tensor, "n c_out h2 w2"]:
        """At the weight's precision; under autocast, at autocast's."""
        if is_autocast(input):
            return super().forward(input)
        if multiplies_in_float32(input, self.weight):
            out = functional_call(self, _widened(self), input.float())
            return out.to(self.weight.dtype)
        return super().forward(input.to(self.weight.dtype))


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution that takes its input at the precision of its weight."""

    def forward(
        self, input: Float[Tensor, "n c_in h w"], output_size: list[int] | None = None
    ) -> Float[Tensor, "n c_out h2 w2"]:
        """At the weight's precision; under autocast, at autocast's."""
        if is_autocast(input):
            return super().forward(input, output_size)
        if multiplies_in_float32(input, self.weight):
            out = functional_call(self, _widened(self), (input.float(), output_size))
            return out.to(self.weight.dtype)
        return super().forward(input.to(self.weight.dtype), output_size)


def keeps_channels_last(x: Tensor, dtype: torch.dtype) -> bool:
    """Whether maps that come pixel by pixel stay so, for convolutions at this precision."""
    if x.device.type != "cpu" or not only_predicts(x):
        return True
    return fast_cpu.is_channels_last(fast_cpu.convolution_path(dtype))


def multiplies_in_float32(x: Tensor, weight: Tensor) -> bool:
    """Whether a convolution of bfloat16 runs in float32 here, and is rounded after it."""
    if weight.dtype != torch.bfloat16 or x.device.type != "cpu" or torch.is_grad_enabled():
        return False
    return fast_cpu.computes_in_float32(fast_cpu.convolution_path(weight.dtype))


def _widened(layer: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.float() for name, parameter in layer.named_parameters()}


def set_matmul_precision(module: nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights of every product below ``module`` (the classes above), and nothing else."""
    for part in module.modules():
        if isinstance(part, (Linear, Conv2d, ConvTranspose2d)):
            part.to(dtype)
