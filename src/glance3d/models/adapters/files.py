"""Adapters on the disk: peft's ``adapter_config.json`` and ``adapter_model.safetensors``.

A tensor is called by its layer: ``base_model.model.LAYER.lora_A.weight``. Layers have our names;
those of the published checkpoints are understood as well.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as short_repr

import torch
from safetensors.torch import save_file
from torch import Tensor

from glance3d.errors import WeightsError
from glance3d.files.atomic import atomic_file, save_json
from glance3d.models.adapters.layers import linear_layers, lora_layers, put_lora
from glance3d.models.adapters.peft_config import (
    CONFIG_FILE,
    PeftConfig,
    peft_record,
    read_peft_config,
)
from glance3d.models.adapters.record import AdapterRecord
from glance3d.models.network import Network
from glance3d.models.weights.cards import ALIASES, CARDS
from glance3d.models.weights.files import read_metadata, read_tensors
from glance3d.models.weights.remap import name_from_published
from glance3d.results import Fingerprint
from glance3d.text import first_names, visible_text

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "adapter_model.safetensors"
ADAPTER_FILES = (CONFIG_FILE, WEIGHTS_FILE)
#: Which weights the adapter was trained on: the hash of both ends of their file.
_BASE_KEY = "glance3d_base_ends_sha256"
_NAME = re.compile(r"(?:base_model\.model\.)?(.+)\.(lora_[AB])\.weight")
_LARGEST_RANK = 4096


def save_adapter(network: Network, folder: Path, **about: str) -> None:
    """Write the adapters that are in a network, in the form that peft reads.

    ``about`` are words for the file's metadata. The files are written one by one: give a folder
    that is moved into place as one (:func:`glance3d.results.open_result`).
    """
    layers = lora_layers(network)
    if not layers:
        raise WeightsError(f"{network.config.name} must have adapters to write them, got none")
    ranks = {name: lora.lora_A.shape[0] for name, lora in layers.items()}
    alphas = {name: lora.scale * ranks[name] for name, lora in layers.items()}
    rank, alpha = next(iter(ranks.values())), next(iter(alphas.values()))
    record = peft_record(network.config.name, rank, alpha, tuple(layers))
    record["rank_pattern"] = {name: own for name, own in ranks.items() if own != rank}
    record["alpha_pattern"] = {name: own for name, own in alphas.items() if own != alpha}
    tensors = {
        f"base_model.model.{name}.{part}.weight": getattr(lora, part).detach().float().cpu()
        for name, lora in layers.items()
        for part in ("lora_A", "lora_B")
    }
    metadata = {"format": "pt", **about}
    if network.weights_path is not None and network.weights_path.is_file():
        metadata[_BASE_KEY] = Fingerprint.of(network.weights_path, "ends").sha256
    save_json(folder / CONFIG_FILE, record)
    with atomic_file(folder / WEIGHTS_FILE) as temporary:
        save_file({n: tensor.contiguous() for n, tensor in tensors.items()}, temporary, metadata)
        temporary.chmod(0o644)


def find_adapter(path: str | Path) -> Path:
    """The file of an adapter's weights: itself, or in its folder.

    Raises:
        WeightsError: there is none, or nothing beside it says what kind of adapter it is.
    """
    path = Path(path)
    file = path / WEIGHTS_FILE if path.is_dir() else path
    for needed in (file, file.with_name(CONFIG_FILE)):
        if not needed.is_file():
            raise WeightsError(
                f"an adapter must be a folder with {' and '.join(ADAPTER_FILES)}, or the second of "
                f"these files, got {path}: there is no {needed}"
            )
    return file


def check_adapter(path: str | Path, network_name: str) -> Path:
    """Refuse what is no adapter for the network of this name; whether it fits shows in loading.

    Raises:
        WeightsError: it cannot be read, or was made for another network.
    """
    file = find_adapter(path)
    _check_base(file, _config_of(file), network_name)
    return file


def load_adapter(network: Network, path: str | Path) -> AdapterRecord:
    """Put an adapter into a network, beside its weights: see :func:`.merge_lora`.

    Raises:
        WeightsError: it cannot be read, was made for another network, or has layers that this one
            has not so. Nothing is changed then.
    """
    file = find_adapter(path)
    config = _config_of(file)
    _check_base(file, config, network.config.name)
    pairs = _pairs_of_layers(file, network)
    for name, (low, high) in pairs.items():
        layer = linear_layers(network)[name]
        lora = put_lora(layer, len(low), config.scale(name, len(low)))
        with torch.no_grad():
            lora.lora_A.copy_(low)
            lora.lora_B.copy_(high)
    _warn_of_other_weights(file, network)
    sha256 = Fingerprint.of(file).sha256
    return AdapterRecord(file, sha256, max(len(low) for low, _ in pairs.values()), len(pairs))


def _config_of(file: Path) -> PeftConfig:
    return read_peft_config(file.with_name(CONFIG_FILE))


def _check_base(file: Path, config: PeftConfig, network_name: str) -> None:
    """Networks that we know by name are told apart; others by their layers alone."""
    base = ALIASES.get(config.base or "", config.base or "")
    if base in CARDS and base != network_name:
        raise WeightsError(
            f"the adapter {file} is for {base}, got the network {network_name}: name the model "
            f"{base}, or give another adapter"
        )


def _pairs_of_layers(file: Path, network: Network) -> dict[str, tuple[Tensor, Tensor]]:
    """A and B of each layer, by our names, once all of them are known to fit."""
    layers = linear_layers(network)
    found: dict[str, dict[str, Tensor]] = {}
    for layer, part, tensor in _read_parts(file):
        name = layer if layer in layers else name_from_published(f"{layer}.weight")
        found.setdefault(name.removesuffix(".weight"), {})[part] = tensor
    strange = [name for name in found if name not in layers]
    if strange or not found:
        raise WeightsError(
            f"the adapter {file} does not fit {network.config.name}, which has no linear layers "
            f"{visible_text(first_names(strange))}: name the model that it is for"
        )
    pairs = {}
    for name, parts in found.items():
        low, high, layer = parts.get("lora_A"), parts.get("lora_B"), layers[name]
        if low is None or high is None:
            raise WeightsError(f"the adapter {file} has only one of two tensors for {name}")
        fits = low.ndim == high.ndim == 2 and 0 < len(low) == high.shape[1] <= _LARGEST_RANK
        if not fits or (len(high), low.shape[1]) != (layer.out_features, layer.in_features):
            raise WeightsError(
                f"the adapter {file} does not fit {network.config.name}: {name} must be for a "
                f"weight of {layer.out_features} x {layer.in_features}, got "
                f"{tuple(high.shape)} times {tuple(low.shape)}"
            )
        pairs[name] = low, high
    return pairs


def _read_parts(file: Path) -> Iterator[tuple[str, str, Tensor]]:
    if file.suffix != ".safetensors":
        raise WeightsError(
            f"the weights of an adapter must be a .safetensors file, got {file}: have peft write "
            "it again, with safe_serialization"
        )
    for name, tensor in read_tensors(file).items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise WeightsError(
                f"{file} must hold lora_A and lora_B of linear layers, got {short_repr(name)}"
            )
        if not bool(tensor.isfinite().all()):
            raise WeightsError(f"{file} must hold finite numbers, got others in {name[:200]}")
        yield match[1], match[2], tensor


def _warn_of_other_weights(file: Path, network: Network) -> None:
    wanted, path = read_metadata(file).get(_BASE_KEY), network.weights_path
    known = wanted is not None and path is not None and path.is_file()
    if known and Fingerprint.of(path, "ends").sha256 != wanted:
        logger.warning(
            "warning: the adapter %s was trained on another file of weights than %s: it may not "
            "help there",
            file,
            path.name,
        )
