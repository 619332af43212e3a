"""Who decides the precision: the weights.

A matrix product runs at the precision of its weight, whatever comes in. Norms compute in float32,
and so does the residual stream, because adding a bfloat16 result to a float32 stream keeps float32.
Casting the weights of a module's ``Linear`` layers is therefore all it takes to choose a precision.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Linear(nn.Linear):
    """A linear layer that takes its input at the precision of its weight."""

    def forward(self, input: Float[Tensor, "*batch in_dim"]) -> Float[Tensor, "*batch out_dim"]:
        """``x W^T + b``, at the weight's precision; under autocast, at autocast's."""
        if torch.is_autocast_enabled(input.device.type):
            return F.linear(input, self.weight, self.bias)
        return F.linear(input.to(self.weight.dtype), self.weight, self.bias)


class LayerNorm(nn.LayerNorm):
    """Layer norm over the last dimension, in float32 whatever comes in."""

    def forward(self, input: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Normalised in float32."""
        return F.layer_norm(input.float(), self.normalized_shape, self.weight, self.bias, self.eps)


def set_matmul_precision(module: nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights of every ``Linear`` below ``module``, and nothing else."""
    for part in module.modules():
        if isinstance(part, Linear):
            part.to(dtype)
