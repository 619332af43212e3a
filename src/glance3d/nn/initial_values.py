"""First values of learned tokens."""

import torch
from torch import nn


def normal_parameter(*shape: int, std: float = 1.0) -> nn.Parameter:
    """A parameter of normal numbers, the same that ``torch.randn`` draws.

    On the meta device, where a network to be filled from a file is made, nothing is drawn: torch
    would bring its compiler for it, which takes longer to import than torch itself.
    """
    values = torch.empty(shape)
    return nn.Parameter(values if values.is_meta else values.normal_() * std)
