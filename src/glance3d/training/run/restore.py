"""Restore a trainer's network, average and optimiser from a checkpoint, after checking each.

A checkpoint may be damaged or of another run. Values that torch would load silently, or refuse only
at the first step, are refused here before anything is changed.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from glance3d.errors import WeightsError
from glance3d.models.weights.pickled_data import is_plain
from glance3d.training.run.checkpoint import Checkpoint
from glance3d.training.weight_average import StateOf, WeightAverage, whole_state


def restore(
    checkpoint: Checkpoint,
    model: nn.Module,
    average: WeightAverage,
    optimiser: torch.optim.Optimizer,
    state_of: StateOf = whole_state,
) -> None:
    """Fill all three from a checkpoint, which holds what ``state_of`` says of the network.

    Raises:
        WeightsError: it does not fit them; nothing was changed.
    """
    expected = state_of(model)
    _check_tensors(checkpoint.model, expected, "network")
    values, num_updates = checkpoint.average.get("values"), checkpoint.average.get("num_updates")
    _check_tensors(values, expected, "average")
    if not isinstance(num_updates, int) or not 0 <= num_updates < 2**53:
        raise _damaged("the average does not say how many updates it has seen")
    _check_optimiser(checkpoint.optimiser, optimiser)
    try:
        optimiser.load_state_dict(checkpoint.optimiser)
    except (ValueError, KeyError, TypeError, IndexError, RuntimeError) as error:
        raise _damaged(f"the optimiser's state cannot be used ({error})") from error
    model.load_state_dict(checkpoint.model, strict=state_of is whole_state)
    average.load_state_dict(checkpoint.average)


def _check_tensors(loaded: Any, expected: Mapping[str, Tensor], where: str) -> None:
    if not isinstance(loaded, dict) or loaded.keys() != expected.keys():
        raise _damaged(f"the {where} has other tensors than this one")
    for name, tensor in expected.items():
        value = loaded[name]
        fits = is_plain(value) if tensor.is_floating_point() else isinstance(value, Tensor)
        if not fits or value.shape != tensor.shape:
            raise _damaged(f"{name} of the {where} is not {tuple(tensor.shape)} numbers")


def _check_optimiser(state: dict[str, Any], optimiser: torch.optim.Optimizer) -> None:
    """Check the groups, and that each parameter has no state or the complete state of AdamW."""
    groups, kept = state.get("param_groups"), state.get("state")
    ours = optimiser.state_dict()["param_groups"]
    if not isinstance(groups, list) or not isinstance(kept, dict) or len(groups) != len(ours):
        raise _damaged("the optimiser's state is another optimiser's")
    for group, own in zip(groups, ours, strict=True):
        if not isinstance(group, dict) or group.keys() != own.keys():
            raise _damaged("the optimiser's state is another optimiser's")
        _check_options(group, own)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    if not kept.keys() <= set(range(len(parameters))):
        raise _damaged("the optimiser's state is of parameters that this network does not have")
    for index, moments in kept.items():
        shape = parameters[index].shape
        sizes = {"step": torch.Size(()), "exp_avg": shape, "exp_avg_sq": shape}
        if not isinstance(moments, dict) or moments.keys() != sizes.keys():
            raise _damaged("the optimiser's state is another optimiser's")
        for name, size in sizes.items():
            if not is_plain(moments[name]) or moments[name].shape != size:
                raise _damaged(f"{name} of a parameter is not {tuple(size)} numbers")


def _check_options(group: dict[str, Any], own: dict[str, Any]) -> None:
    """Check that a group has the same parameters and options of the same types."""
    if group["params"] != own["params"]:
        raise _damaged("the optimiser's parameters are others")
    for name, value in own.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if type(group[name]) is not type(value) and not (
            number and isinstance(group[name], int | float)
        ):
            raise _damaged(f"{name} of the optimiser is no {type(value).__name__}")


def _damaged(reason: str) -> WeightsError:
    return WeightsError(
        f"the checkpoint does not fit: {reason}; resume one of the same network, or start a new run"
    )
