"""Checkpoints of a run, and the weights that leave it.

A checkpoint holds the full state, so that a run continues bit for bit: weights, their moving
average, the optimiser, and how far the data stream was read. It is a ``torch.save`` file of plain
tensors and numbers, read with ``weights_only=True``: opening one never runs code.
"""

import copy
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from reprlib import repr as short_repr
from typing import Any

import torch
from torch import Tensor

from glance3d.errors import WeightsError
from glance3d.files.atomic import atomic_file
from glance3d.files.json_input import parse_json_object
from glance3d.models import Network
from glance3d.models.weights.files import save_weights
from glance3d.models.weights.pickled_data import load_plain_data
from glance3d.results import Claims, open_result

FORMAT = "glance3d-checkpoint-1"
#: Fields of a config under their names in older checkpoints.
_RENAMED_FIELDS = {"rehearsal": "relation_pretraining", "learns": "trainable"}


@dataclass(frozen=True)
class Progress:
    """How much of a run is done."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0  # of training, all runs of this checkpoint together
    num_skipped: int = 0  # steps without update: their loss or gradient was not finite


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds."""

    config: dict[str, Any]
    progress: Progress
    model: dict[str, Tensor]
    average: dict[str, Any]
    optimiser: dict[str, Any]


def save_checkpoint(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint; an older one of that name stays until this one is complete."""
    state = {
        "format": FORMAT,
        "config": json.dumps(checkpoint.config),
        "progress": asdict(checkpoint.progress),
        "model": checkpoint.model,
        "average": checkpoint.average,
        "optimiser": checkpoint.optimiser,
    }
    with atomic_file(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # how torch reports a full disk
            raise OSError(str(error)) from error


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint, onto the CPU, without running any code in it.

    Raises:
        WeightsError: there is no file, it is damaged, or training did not write it.
    """
    path = Path(path)
    if not path.exists():
        raise WeightsError(f"there is no checkpoint {path}: give a file that training wrote")
    state = load_plain_data(path, "checkpoint")
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise WeightsError(
            f"{path} is no checkpoint of the format {FORMAT!r}: give a file that training wrote"
        )
    config = state.get("config")
    if not isinstance(config, str):
        raise WeightsError(f"{path} is damaged: it does not say what it was trained by")
    parts: dict[str, Any] = {name: state.get(name) for name in ("model", "average", "optimiser")}
    missing = [name for name, part in parts.items() if not isinstance(part, dict)]
    if missing:
        raise WeightsError(f"{path} is damaged: it lacks the {' and the '.join(missing)}")
    fields_of_config = parse_json_object(config, f"the config in {path}", error=WeightsError)
    return Checkpoint(
        config={_RENAMED_FIELDS.get(key, key): value for key, value in fields_of_config.items()},
        progress=_read_progress(state.get("progress"), path),
        **parts,
    )


def _read_progress(record: Any, path: Path) -> Progress:
    """The run's progress; an older file may lack a number."""
    known = {field.name: field.type for field in fields(Progress)}
    if not isinstance(record, dict) or not set(record) <= set(known):
        raise WeightsError(f"{path} is damaged: it does not say how far the run was")
    for name, value in record.items():
        wanted = int if known[name] is int else int | float
        if not isinstance(value, wanted) or isinstance(value, bool) or not 0 <= value < 2**53:
            raise WeightsError(f"{path} is damaged: its {name} cannot be {short_repr(value)}")
    return Progress(**record)


def export_weights(
    model: Network,
    path: str | Path,
    dtype: torch.dtype = torch.bfloat16,
    *,
    overwrite: bool = False,
    **about: str,
) -> None:
    """Write a network's weights as ``.safetensors`` of ``dtype``; ``about`` is its metadata.

    The network itself keeps its precision.

    Raises:
        OutputError: a file is there that Glance3D did not write, without ``overwrite``.
    """
    path = Path(path)
    with open_result(path.parent, overwrite=overwrite) as result:
        result.claim(Claims((path.name,)))
        with result.staged() as staging:
            rounded = copy.deepcopy(model).to(dtype)
            save_weights(rounded, staging.staged(path), model.config, **about)
