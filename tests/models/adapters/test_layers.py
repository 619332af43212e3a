"""Adapters act in every layer and every path, before activations, and merge into weights."""

import copy
import re
from collections.abc import Callable, Iterable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glance3d.errors import InputError
from glance3d.models import Network
from glance3d.models.adapters.layers import (
    add_lora,
    block_layers,
    linear_layers,
    lora_layers,
    merge_lora,
)
from glance3d.models.config import ModelConfig, da3_tiny, da3_tiny_odd, tiny
from glance3d.nn.precision import Linear, set_matmul_precision
from tests.models.adapters.networks import (
    outputs,
    pictures,
    small_network,
    tiny_steady,
    with_adapters,
)

CONFIGS = {"vggt": tiny_steady, "da3": da3_tiny, "gated da3": da3_tiny_odd}


def in_both_modes(network: Network, images: Tensor, tracks: bool = True) -> dict[str, Tensor]:
    """With gradients, step by step; and while predicting, by what is fast on this machine."""
    with torch.no_grad():
        fast = {f"{name}, fast": value for name, value in outputs(network, images, tracks).items()}
    plain = {name: value.detach() for name, value in outputs(network, images, tracks).items()}
    return {**plain, **fast}


def last_of_each_kind(network: Network) -> list[str]:
    """One layer of those whose names differ in numbers only; without the tracker's, a slow part."""
    kinds = {re.sub(r"\d+", "N", name): name for name in linear_layers(network)}
    return [name for name in kinds.values() if not name.startswith("track_head.")]


def check_one_at_a_time(network: Network, layers: Iterable[str], tracks: bool) -> None:
    """The adapter alone acts as its update does that is written into the weight by hand."""
    images = pictures()
    plain = outputs(network, images, tracks)
    unreached = set()
    for name in layers:
        with_adapters(network, (name,))
        adapted = in_both_modes(network, images, tracks)
        layer = linear_layers(network)[name]
        assert layer.lora is not None
        before = layer.weight.data
        layer.weight.data, layer.lora = before + layer.lora.added_weight().detach(), None
        expected = outputs(network, images, tracks)
        layer.weight.data = before
        if all(torch.equal(expected[key], plain[key]) for key in plain):
            unreached.add(name)
        for key in plain:
            for value in (adapted[key], adapted[f"{key}, fast"]):
                torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=5e-4, msg=name)
                # A change that rounding swallows tells nothing; any other must be seen.
                if (expected[key] - plain[key]).abs().max() > 1e-4:
                    assert not torch.equal(value, plain[key]), (name, key)
    # Where cameras are given, none are decoded.
    assert all(name.startswith("camera_decoder.") for name in unreached)


@pytest.mark.parametrize("config", [tiny_steady, da3_tiny_odd])
def test_adapters_change_what_their_weights_change(config: Callable[[], ModelConfig]) -> None:
    network = small_network(config())
    check_one_at_a_time(network, last_of_each_kind(network), tracks=False)


@pytest.mark.long
@pytest.mark.parametrize("config", [tiny_steady, da3_tiny_odd])
def test_every_adapter_changes_what_its_weight_changes(config: Callable[[], ModelConfig]) -> None:
    network = small_network(config())
    check_one_at_a_time(network, linear_layers(network), tracks=True)


@pytest.mark.parametrize("config", [tiny_steady, da3_tiny_odd])
def test_every_output_sees_every_adapter_as_it_sees_the_weight(
    config: Callable[[], ModelConfig],
) -> None:
    """For y = (W + s B A) x, dy/dB is s dy/dW A^T: for all layers from one backward pass."""
    network = small_network(config())
    with_adapters(network, tuple(linear_layers(network)), spread=0.05)
    layers = linear_layers(network)
    for layer in layers.values():
        layer.weight.requires_grad_()
    values = outputs(network, pictures())
    weights = [layer.weight for layer in layers.values()]
    highs = [lora.lora_B for lora in lora_layers(network).values()]
    reached = set()
    for value in values.values():
        if not value.requires_grad:  # the given cameras
            continue
        found = torch.autograd.grad(
            value.square().sum(), weights + highs, retain_graph=True, allow_unused=True
        )
        of_weights, of_highs = found[: len(weights)], found[len(weights) :]
        for name, weight, high in zip(layers, of_weights, of_highs, strict=True):
            assert (weight is None) == (high is None), name
            if weight is None or high is None:
                continue
            lora = lora_layers(network)[name]
            torch.testing.assert_close(
                high, lora.scale * weight @ lora.lora_A.T, rtol=1e-3, atol=1e-3 * float(high.norm())
            )
            reached |= {name} if float(high.norm()) > 0 else set()
    assert all(name.startswith("camera_decoder.") for name in set(layers) - reached)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_merged_equals_unmerged(config: Callable[[], ModelConfig]) -> None:
    network, images = with_adapters(small_network(config()), spread=0.05), pictures()
    plain = copy.deepcopy(network)
    for layer in linear_layers(plain).values():
        layer.lora = None
    weights = {name: layer.weight for name, layer in linear_layers(network).items()}
    before, without = in_both_modes(network, images), in_both_modes(plain, images)
    merge_lora(network)
    assert not lora_layers(network)
    assert all(network.state_dict()[f"{n}.weight"] is not weights[n] for n in block_layers(network))
    for name, value in in_both_modes(network, images).items():
        scale = float(value.abs().max())
        assert float((value - before[name]).abs().max()) <= 1e-5 * max(scale, 1), name
        assert not torch.equal(value, without[name]), name


def test_new_adapters_change_nothing() -> None:
    network, images = small_network(tiny()), pictures()
    plain = outputs(network, images)
    add_lora(network, 4)
    assert set(lora_layers(network)) == set(block_layers(network))
    assert all(torch.equal(value, plain[name]) for name, value in outputs(network, images).items())


def test_what_is_added_is_added_before_the_activation() -> None:
    layer = Linear(5, 7)
    network = torch.nn.Sequential(layer)
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    with_adapters(network, ("0",))  # type: ignore[arg-type]
    assert layer.lora is not None
    weight = layer.weight + layer.lora.added_weight()
    expected = F.gelu(F.linear(x, weight, layer.bias))
    torch.testing.assert_close(layer(x, gelu=True), expected)
    with torch.no_grad():
        torch.testing.assert_close(layer(x, gelu=True), expected)
    torch.testing.assert_close(layer.some_rows(x, slice(2, 6)), layer(x)[:, 2:6])


def test_gradients_reach_adapters_alone() -> None:
    network = with_adapters(small_network(tiny()))
    loss = torch.stack([value.square().mean() for value in outputs(network, pictures()).values()])
    loss.sum().backward()
    moved = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.abs().max()}
    assert moved == {
        f"{n}.lora.{part}" for n in lora_layers(network) for part in ("lora_A", "lora_B")
    }


def test_weights_of_bfloat16_take_adapters_too() -> None:
    network, images = with_adapters(small_network(tiny())), pictures()
    for part in network.large_products:
        set_matmul_precision(part, torch.bfloat16)
    before = outputs(network, images)["depth"].detach()
    merge_lora(network)
    assert linear_layers(network)[block_layers(network)[0]].weight.dtype == torch.bfloat16
    assert float((outputs(network, images)["depth"] / before).log().abs().max()) < 0.1


@pytest.mark.parametrize(
    ("rank", "layers", "message"),
    [
        (0, None, "rank of an adapter must be at least 1, got 0"),
        (2, ("no.such.layer",), "for a linear layer, got 'no.such.layer'"),
    ],
)
def test_what_no_adapter_can_be_for_is_refused(
    rank: int, layers: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        add_lora(small_network(tiny()), rank, layers=layers)
