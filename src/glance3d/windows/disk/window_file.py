"""One window in a file: safetensors, with the key of what it was made from and a hash of it all.

Numbers are float32, as they are kept in memory (:data:`glance3d.windows.passes.KEPT`), so that a
scene made of files is the same to the last bit. Half of the bytes would change depth by a
thousandth, and confidences (exponentials) exceed float16's range.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from glance3d.files.atomic import atomic_file
from glance3d.geometry.similarity import Similarity
from glance3d.models.given_cameras import GivenFit
from glance3d.types import Predictions
from glance3d.windows.disk.keys import add_tensor
from glance3d.windows.passes import KEPT

Fits = tuple[GivenFit | None, ...]


@dataclass(frozen=True)
class StoredWindow:
    """A file's content, mapped rather than read: ``facts`` are what is no tensor."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def predictions(self) -> Predictions:
        """What the network said; of no network's own kind."""
        height, width = self.facts["image_size"]
        return Predictions((height, width), **self.tensors)

    def given_fits(self) -> Fits:
        """How given cameras fitted what the network predicted."""
        return tuple(fit and _fit(**fit) for fit in self.facts["given_fits"])


def write_window(path: Path, key: str, predictions: Predictions, given_fits: Fits) -> None:
    """Write a window as a whole, or nothing.

    Raises:
        OutputError: the file system refuses.
    """
    kept = {name: getattr(predictions, name) for name in KEPT}
    tensors = {name: t.contiguous() for name, t in kept.items() if t is not None}
    facts = json.dumps(
        {
            "key": key,
            "image_size": list(predictions.image_size),
            "given_fits": [fit and _record(fit) for fit in given_fits],
        }
    )
    metadata = {"facts": facts, "sha256": _digest(facts, tensors)}
    with atomic_file(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def read_window(path: Path, key: str, *, verify: bool) -> StoredWindow | None:
    """A window that was made from what ``key`` stands for; None where there is none, or none whole.

    With ``verify`` all of it is read and compared with its hash.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(metadata["facts"])
        if facts["key"] != key or not set(tensors) <= set(KEPT):
            return None
        if verify and _digest(metadata["facts"], tensors) != metadata["sha256"]:
            return None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    return StoredWindow(tensors, facts)


def _digest(facts: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(facts.encode())
    for name, values in sorted(tensors.items()):
        add_tensor(digest, name, values)
    return digest.hexdigest()


def _record(fit: GivenFit) -> dict[str, Any]:
    moved = fit.predicted_from_given
    return {
        "scale": moved.scale,
        "rotation": moved.rotation.double().tolist(),
        "translation": moved.translation.double().tolist(),
        "disagreement": fit.disagreement,
    }


def _fit(scale: float, rotation: list, translation: list, disagreement: float) -> GivenFit:
    turn, shift = (torch.tensor(values).double() for values in (rotation, translation))
    return GivenFit(Similarity(scale, turn, shift), disagreement)
