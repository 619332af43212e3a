"""Which network, from which weights, on which device: from the front door to the loader."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from glance3d.errors import InputError
from glance3d.models.adapters.files import check_adapter
from glance3d.models.config import ModelConfig
from glance3d.models.network import Network
from glance3d.models.weights.commercial import refuse_other_use
from glance3d.models.weights.fetch import fetch_weights, verify_weights
from glance3d.models.weights.files import check_names
from glance3d.models.zoo import (
    check_precision,
    load_model,
    network_config,
    outline_model,
    resolve_device,
)


@dataclass(frozen=True)
class ModelSource:
    """What :func:`glance3d.load_model` takes, or a network that is loaded already.

    A loaded one is used as it is: ``weights``, ``device`` and ``precision`` do not apply then, and
    an ``adapter`` is refused.

    Raises:
        WeightsError: no model of this name is known, and there is no such file; its licence is
            refused (``commercial_only``, see :func:`~glance3d.models.zoo.load_model`); or the
            adapter is none, or for another network.
        InputError: the device or the precision is unknown, or a loaded network got an adapter.
    """

    name: str | Path | Network = "glance-small"
    weights: str | Path | None = None
    device: str | torch.device = "auto"
    precision: str = "auto"
    commercial_only: bool = False
    adapter: str | Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be loaded; the file itself is read by :meth:`load`."""
        if isinstance(self.name, Network):
            refuse_other_use(self.name.card, self.network_name, self.commercial_only)
            if self.adapter is not None:
                raise InputError(
                    f"an adapter must come with a model's name, got {self.adapter} with a loaded "
                    "network: merge it as you load that, load_model(..., adapter=...)"
                )
        else:
            resolve_device(self.device)
            check_precision(self.precision)
            name = self.network_name
            if self.adapter is not None:
                refuse_other_use(None, str(self.adapter), self.commercial_only)
                check_adapter(self.adapter, name)

    @property
    def network_name(self) -> str:
        """The network's own name, by which cards are looked up; a file of weights holds it."""
        return self.network_config.name

    @property
    def network_config(self) -> ModelConfig:
        """What the network is, without loading it."""
        if isinstance(self.name, Network):
            return self.name.config
        return network_config(self.name, self.weights, commercial_only=self.commercial_only)

    def outline(self) -> Network:
        """The network without its numbers, at once: see :func:`~glance3d.models.zoo.outline_model`.

        One that is loaded is its own outline.
        """
        if isinstance(self.name, Network):
            return self.name
        return outline_model(
            self.name,
            self.weights,
            self.device,
            self.precision,
            commercial_only=self.commercial_only,
        )

    def load(self) -> Network:
        """The network, ready to predict; may fetch weights. One that is loaded is returned."""
        if isinstance(self.name, Network):
            return self.name
        return load_model(
            self.name,
            self.weights,
            self.device,
            self.precision,
            adapter=self.adapter,
            commercial_only=self.commercial_only,
        )

    def fetch(self) -> Path:
        """The file of the weights on this machine, fetched if need be, and verified.

        Raises:
            WeightsError: it cannot be fetched, or is not the file that is recorded.
        """
        network = self.outline()
        card, path, check = network.card, network.weights_path, partial(check_names, network)
        if card is None or str(path) == card.source:  # a file of the user's
            assert path is not None
            check(path)
            return path
        path = fetch_weights(card, check)
        verify_weights(card, path, check)
        return path

    def resolved_device(self) -> torch.device:
        """Where the network will be."""
        if isinstance(self.name, Network):
            return self.name.device
        return resolve_device(self.device)
