"""How alike whole photos are, by descriptors that are whitened over the set."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def photo_likeness(descriptors: Float[Tensor, "views dim"]) -> Float[Tensor, "views views"]:
    """The cosine of every two photos' descriptors, -1 to 1, after :func:`whitened`; symmetric."""
    white = whitened(descriptors)
    return (white @ white.T).clamp(-1, 1)


def whitened(descriptors: Float[Tensor, "views dim"]) -> Float[Tensor, "views kept"]:
    """Unit vectors without what all photos of the set have in common; zeros if they are all alike.

    The mean is taken off, and principal directions of variance ``v`` are scaled by
    ``(v + mean)^(-1/4)``: half of what whitening is, and shrunk (after Jegou and Chum, "Negative
    evidences and co-occurrences", ECCV 2012). Whole whitening makes all photos of a small set
    equally unlike.
    """
    centred = descriptors.double() - descriptors.double().mean(0)
    # Principal coordinates by the Gram matrix or the scatter matrix, whichever is smaller.
    count, dim = centred.shape
    small = centred @ centred.T if count <= dim else centred.T @ centred
    values, vectors = torch.linalg.eigh(small)
    values = values.clamp(min=0)
    coordinates = vectors * values.sqrt() if count <= dim else centred @ vectors
    shrunk = values + values.mean().clamp(min=1e-30)
    return F.normalize(coordinates * (shrunk / shrunk.max()) ** -0.25, dim=-1, eps=1e-9).float()
