"""How alike whole photos are, by descriptors that are whitened over the set."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def photo_likeness(descriptors: Float[Tensor, "views dim"]) -> Float[Tensor, "views views"]:
    """The cosine of every two photos' descriptors, -1 to 1, after :func:`whitened`; symmetric."""
    white = whitened(descriptors)
    return (white @ white.T).clamp(-1, 1)


def whitened(descriptors: Float[Tensor, "views dim"]) -> Float[Tensor, "views dim"]:
    """Unit vectors without what all photos of the set have in common.

    The mean of the set is taken off; photos that are all alike become zeros.
    """
    centred = descriptors.double() - descriptors.double().mean(0)
    return F.normalize(centred, dim=-1, eps=1e-9).to(torch.float32)
