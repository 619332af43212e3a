"""Low-rank updates of a network's linear layers: put in, and made part of the weights."""

from collections.abc import Iterable

import torch
from torch import nn

from glance3d.errors import InputError
from glance3d.nn.block import Block
from glance3d.nn.precision import Linear, Lora


def linear_layers(network: nn.Module) -> dict[str, Linear]:
    """Every linear layer, by its name."""
    return {name: part for name, part in network.named_modules() if isinstance(part, Linear)}


def block_layers(network: nn.Module) -> tuple[str, ...]:
    """The linear layers of all transformer blocks: what an adapter is made for by default."""
    blocks = [name for name, part in network.named_modules() if isinstance(part, Block)]
    return tuple(
        f"{block}.{name}"
        for block in blocks
        for name in linear_layers(network.get_submodule(block))
    )


def lora_layers(network: nn.Module) -> dict[str, Lora]:
    """The adapters that are in a network, by the names of their layers."""
    return {
        name: layer.lora for name, layer in linear_layers(network).items() if layer.lora is not None
    }


def add_lora(
    network: nn.Module, rank: int, alpha: float | None = None, layers: Iterable[str] | None = None
) -> None:
    """Give layers, those of all blocks by default, new adapters, which change nothing yet.

    What they learn counts ``alpha / rank`` times; ``alpha`` is ``rank`` by default.

    Raises:
        InputError: the rank is none, or no linear layer has such a name.
    """
    if rank < 1:
        raise InputError(f"the rank of an adapter must be at least 1, got {rank}")
    known = linear_layers(network)
    for name in block_layers(network) if layers is None else layers:
        if name not in known:
            raise InputError(f"an adapter must be for a linear layer, got {name!r}, which is none")
        scale = 1.0 if alpha is None else alpha / rank
        put_lora(known[name], rank, scale)


def put_lora(layer: Linear, rank: int, scale: float) -> Lora:
    """Give one layer an adapter, in the place of one that it may have."""
    sizes = layer.in_features, layer.out_features
    layer.lora = Lora(*sizes, rank, scale, layer.weight.device)
    return layer.lora


@torch.no_grad()
def merge_lora(network: nn.Module) -> None:
    """Make all adapters part of the weights they belong to, so that they cost no time any more."""
    for layer in linear_layers(network).values():
        if layer.lora is None:
            continue
        merged = layer.weight.float() + layer.lora.added_weight()
        # A new tensor: weights may be mapped from a file, or be another network's as well.
        layer.weight = nn.Parameter(
            merged.to(layer.weight.dtype), requires_grad=layer.weight.requires_grad
        )
        layer.lora = None
