"""Weights for a network that has grown: what a file holds is taken, the rest stays new."""

from pathlib import Path

from torch import nn

from glance3d.errors import WeightsError
from glance3d.models.weights.files import read_tensors
from glance3d.models.weights.remap import name_from_published
from glance3d.text import visible_text


def load_partial_weights(model: nn.Module, path: Path) -> tuple[str, ...]:
    """Fill what a file has of a real network, and return the names it lacks.

    Raises:
        WeightsError: if the file cannot be read, or holds tensors that are not the network's.
    """
    tensors = {name_from_published(name): t for name, t in read_tensors(path).items()}
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    strange = [name for name, tensor in tensors.items() if shapes.get(name) != tensor.shape]
    if strange:
        raise WeightsError(
            f"{path} does not fit this network: it holds {visible_text(strange[0][:200])} of shape "
            f"{tuple(tensors[strange[0]].shape)} and {len(strange) - 1} more that the network does "
            "not have so; give weights of the same network, or of one with fewer parts"
        )
    return tuple(model.load_state_dict(tensors, strict=False).missing_keys)
