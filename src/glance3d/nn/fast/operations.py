"""What can be computed by several paths: the plain steps, and faster ones to the same numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

PLAIN = "plain"


@dataclass(frozen=True)
class Operation:
    """Something that can be computed by several paths.

    ``plain`` says what always works, ``paths`` what each other one does. A path is used if it
    needs at most 1 / ``margin`` of the plain seconds. ``tolerances``: how far it may be off, as a
    share of the largest plain number, by dtype.
    """

    name: str
    plain: str
    paths: Mapping[str, str]
    margin: float = 1.05
    tolerances: Mapping[torch.dtype, float] = field(
        default_factory=lambda: {torch.float32: 1e-4, torch.bfloat16: 2e-2}
    )


_THROUGH_FLOAT32 = "weights and inputs converted, products in float32"

LINEAR = Operation(
    "linear",
    "F.linear, then F.gelu where asked for",
    {
        "onednn": "oneDNN's linear, GELU fused",
        "onednn-apart": "oneDNN's linear, then GELU in place",
        "float32": f"F.linear of bfloat16: {_THROUGH_FLOAT32}",
    },
)
ATTENTION = Operation(
    "attention",
    "F.scaled_dot_product_attention",
    {"blocks": "whole products for as many queries as the cache takes; in bfloat16 by sigmoid"},
)
CONVOLUTION = Operation(
    "convolution",
    "maps stored channel by channel",
    {
        "channels-last": "maps stored pixel by pixel",
        "float32": f"channel by channel, of bfloat16: {_THROUGH_FLOAT32}",
        "channels-last-float32": f"pixel by pixel, of bfloat16: {_THROUGH_FLOAT32}",
    },
)
BFLOAT16 = Operation(
    "precision",
    "float32",
    {"bfloat16": "large products in bfloat16, where nobody asks for a precision"},
    margin=1.2,
    tolerances={torch.float32: 3e-2},
)
FUSED_STEPS = Operation(
    "norms and rotations",
    "step by step",
    {"triton": "Triton kernels"},
    tolerances={torch.bfloat16: 2e-2},
)
RENDERING = Operation(
    "rendering",
    "step by step",
    {"compile": "torch.compile; tried only where it is asked for, since it takes half a minute"},
    tolerances={torch.float32: 1e-2},
)

#: Every choice there is.
TABLE = {
    operation.name: operation
    for operation in (LINEAR, ATTENTION, CONVOLUTION, BFLOAT16, FUSED_STEPS, RENDERING)
}
