"""From a name or a file to a network that is ready to predict."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from glance3d.errors import InputError, WeightsError
from glance3d.models.adapters.files import check_adapter, load_adapter
from glance3d.models.adapters.layers import merge_lora
from glance3d.models.architectures import network_of
from glance3d.models.config import ModelConfig
from glance3d.models.network import Network
from glance3d.models.weights.cards import ALIASES, CARDS
from glance3d.models.weights.choice import AUTO, best_on_this_machine
from glance3d.models.weights.commercial import refuse_other_use
from glance3d.models.weights.fetch import fetch_weights
from glance3d.models.weights.files import (
    check_names,
    load_weights,
    read_config,
    refuse_more_blocks_than_tensors,
)
from glance3d.models.weights.weights_card import WeightsCard
from glance3d.nn.fast.cpu import has_fast_bfloat16
from glance3d.nn.precision import set_matmul_precision

logger = logging.getLogger(__name__)

LARGE_NETWORK = 100_000_000  # parameters; smaller ones are fast enough as they are
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def build_model(config: ModelConfig, device: torch.device | str = "cpu") -> Network:
    """Build a network with random weights, to be trained.

    Args:
        config: Its architecture; ``glance3d.models.config`` has the known ones.
        device: Where its weights are.

    Returns:
        The network, in training mode.
    """
    with torch.device(device):
        model = network_of(config)
    model.initialise()
    return model


def load_model(
    name: str | Path = "glance-small",
    weights: str | Path | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    *,
    adapter: str | Path | None = None,
    commercial_only: bool = False,
) -> Network:
    """Load a network with its weights, in evaluation mode and without gradients.

    Args:
        name: a known name (``glance3d models`` lists them), its hub repository, the path of a
            ``.safetensors`` file that Glance3D wrote, or "auto": the most accurate model, by its
            published accuracy, that is on this machine and allowed; nothing is fetched.
        weights: a local ``.safetensors`` or ``.pt`` file to fill the named network from, instead
            of the embedded file or the hub.
        device: "auto" (a GPU if there is one), or what torch calls it.
        precision: "float32", "bfloat16" (products of the transformer and of the dense heads but
            their last; everything else stays float32), or "auto": bfloat16 for a large network
            where the GPU or the processor has fast products for it, float32 elsewhere.
        adapter: A folder (or its ``.safetensors`` file) that ``glance3d finetune`` or peft wrote
            for this network, to be merged into the weights: the network is as fast as without it.
        commercial_only: Refuse weights whose card does not say that commercial use is allowed, and
            files of weights without a card; always, where ``GLANCE3D_COMMERCIAL_ONLY`` is 1.

    Raises:
        WeightsError: if the name is unknown, the file is missing or does not fit the network, its
            licence is refused, or the adapter is for another network.
        InputError: if the device or the precision is unknown.
    """
    config, _, path = _find(name, weights, commercial_only)
    if adapter is not None:
        refuse_other_use(None, str(adapter), commercial_only)
        check_adapter(adapter, config.name)
    if path is not None:
        refuse_more_blocks_than_tensors(path, config)
    model = outline_model(name, weights, device, precision, commercial_only=commercial_only)
    path = model.weights_path
    if path is None:
        assert model.card is not None
        path = fetch_weights(model.card, partial(check_names, model))
    if model.chosen_because:
        logger.info("model auto: %s, %s", model.config.name, model.chosen_because)
    load_weights(model, path, resolve_device(device))
    model.weights_path = path
    if adapter is not None:
        model.adapter = load_adapter(model, adapter)
        merge_lora(model)
    return model.eval().requires_grad_(False)


def known_name(name: str) -> str:
    """The name of the model that a saved scene was made with, if it is a known one.

    A scene may come from anybody, and its model may be the path of any file: that is not opened.

    Raises:
        WeightsError: the name is unknown.
    """
    if ALIASES.get(name, name) not in CARDS:
        raise WeightsError(
            f"the scene was made with a model called {name[:100]!r}, which is none of "
            f"{', '.join(CARDS)}: name the model or its weights file yourself (--model)"
        )
    return name


def network_config(
    name: str | Path, weights: str | Path | None = None, *, commercial_only: bool = False
) -> ModelConfig:
    """The network's config, with its own name; a file of weights holds it.

    Raises:
        WeightsError: no model of this name is known and there is no such file, or the file does not
            say which network it is for; or its licence is refused.
    """
    return _find(name, weights, commercial_only)[0]


def outline_model(
    name: str | Path = "glance-small",
    weights: str | Path | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    *,
    commercial_only: bool = False,
) -> Network:
    """What :func:`load_model` will give, on the meta device: shapes, precision and preprocessing.

    Nothing is fetched: ``weights_path`` is None where :func:`load_model` would. Raises as it does,
    but does not look into files of weights.
    """
    target = resolve_device(device)
    check_precision(precision)
    config, card, path = _find(name, weights, commercial_only)
    with torch.device("meta"):
        model = network_of(config)
    set_precision(model, _resolve_precision(precision, target, model))
    model.card, model.weights_path = card, path
    if name == AUTO:
        model.chosen_because = best_on_this_machine(commercial_only).reason
    kin = card or CARDS.get(config.name)  # a file of ours wants photos as its namesake does
    if kin is not None:
        model.preprocessing = kin.preprocessing
    return model


def resolve_device(device: str | torch.device) -> torch.device:
    """The torch device; "auto" is the first GPU, or the processor."""
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r} cannot be used here: {reason}") from error
    return resolved


def check_precision(precision: str) -> None:
    """Raises ``InputError`` where there is no such precision."""
    if precision != "auto" and precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise InputError(f"unknown precision {precision!r}: choose from auto, {known}")


def _resolve_precision(precision: str, device: torch.device, model: Network) -> torch.dtype:
    if precision != "auto":
        return PRECISIONS[precision]
    if sum(parameter.numel() for parameter in model.parameters()) < LARGE_NETWORK:
        return torch.float32
    if device.type == "cuda":
        # Emulated, it has no fused attention: memory would grow with the square of the views.
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and has_fast_bfloat16()
    return torch.bfloat16 if fast else torch.float32


def set_precision(model: Network, dtype: torch.dtype) -> None:
    """Of the large products; cameras, tracks and what becomes depth and points stay float32."""
    for part in model.large_products:
        set_matmul_precision(part, dtype)


def _find(
    model: str | Path, weights: str | Path | None, commercial_only: bool
) -> tuple[ModelConfig, WeightsCard | None, Path | None]:
    """Config, card and file of what was asked for; no file where it must be fetched."""
    name, weights = str(model), None if weights is None else Path(weights)
    if name == AUTO:
        if weights is not None:
            raise InputError(
                f"weights must be of a model that is named, got {weights} for 'auto': name it"
            )
        name = best_on_this_machine(commercial_only).card.name
    card = CARDS.get(ALIASES.get(name, name))
    if card is not None:
        refuse_other_use(card, card.name, commercial_only)
        if weights is None:
            return _config_for(card, card.embedded_path), card, card.embedded_path
        of_file = replace(card, source=str(weights), filename=weights.name)
        return _config_for(card, weights), of_file, weights
    path = Path(name)
    if path.suffix in (".safetensors", ".pt", ".pth") or path.is_file():
        config = _config_of_file(path)
        refuse_other_use(None, name, commercial_only)
        return config, None, path
    raise WeightsError(
        f"unknown model {name!r}: choose from {', '.join(CARDS)}, {AUTO}, or give the path of a "
        ".safetensors file"
    )


def _config_for(card: WeightsCard, path: Path | None) -> ModelConfig:
    """The config that the file carries under the card's name, else the card's.

    A network keeps its name while it gains parts, and older files of it must still load.
    """
    carried = read_config(path) if path is not None and path.exists() else None
    return carried if carried is not None and carried.name == card.name else card.build_config()


def _config_of_file(path: Path) -> ModelConfig:
    config = read_config(path)
    if config is None:
        raise WeightsError(
            f"{path} does not say which network it is for: give the network's name as the model "
            "and this file as the weights"
        )
    return config
