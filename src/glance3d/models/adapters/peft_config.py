"""``adapter_config.json``, as the library peft writes and reads it.

Of the many kinds of adapters that it describes ours are plain LoRA of linear layers; anything else
is refused, since it would be computed wrongly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glance3d.errors import WeightsError
from glance3d.files.json_input import read_json_object, refuse_odd_numbers

CONFIG_FILE = "adapter_config.json"
_LARGEST = 1e6
# What must be off, and what it is: names of peft's fields.
_NOT_OURS = {
    "use_dora": "DoRA",
    "modules_to_save": "whole layers beside the low-rank ones",
    "lora_bias": "biases",
    "fan_in_fan_out": "transposed weights",
    "use_qalora": "quantised adapters",
    "layer_replication": "replicated layers",
    "trainable_token_indices": "embeddings",
    "target_parameters": "bare parameters",
}


@dataclass(frozen=True)
class PeftConfig:
    """What says how much a low-rank update counts; ``base`` is the network it was made for."""

    rank: int
    alpha: float
    base: str | None = None
    root_scaled: bool = False
    alphas: dict[str, float] = field(default_factory=dict)

    def scale(self, layer: str, rank: int) -> float:
        """The factor of ``B A`` of a layer with this rank."""
        endings = [name for name in self.alphas if layer == name or layer.endswith(f".{name}")]
        alpha = self.alphas[endings[0]] if endings else self.alpha
        return alpha / (math.sqrt(rank) if self.root_scaled else rank)


def read_peft_config(path: Path) -> PeftConfig:
    """Read an ``adapter_config.json``.

    Raises:
        WeightsError: it cannot be read, or is of another kind of adapter.
    """
    record = read_json_object(path, error=WeightsError)
    refuse_odd_numbers(record, str(path), error=WeightsError)
    if record.get("peft_type") != "LORA":
        kind = str(record.get("peft_type"))[:40]
        raise WeightsError(f"{path} must be of an adapter of the type LORA, got {kind!r}")
    other = [words for name, words in _NOT_OURS.items() if record.get(name)]
    if record.get("bias", "none") != "none":
        other.append("biases")
    if other:
        raise WeightsError(
            f"{path} must be of a plain LoRA of linear layers, got one with {', '.join(other)}: "
            "merge it where it was made, and load the weights"
        )
    base = record.get("base_model_name_or_path")
    patterns = record.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise WeightsError(f"alpha_pattern of {path} must be an object of numbers")
    return PeftConfig(
        rank=int(_number(record, "r", path)),
        alpha=_number(record, "lora_alpha", path),
        base=base if isinstance(base, str) else None,
        root_scaled=record.get("use_rslora") is True,
        alphas={name: _number(patterns, name, path) for name in patterns},
    )


def _number(record: dict[str, Any], name: str, path: Path) -> float:
    value = record.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= _LARGEST:
        shown = str(value)[:40]
        raise WeightsError(f"{name[:80]} of {path} must be a number above 0, got {shown}")
    return float(value)


def peft_record(base: str, rank: int, alpha: float, layers: Sequence[str]) -> dict[str, Any]:
    """What to write for adapters of these layers that all have this rank."""
    return {
        "peft_type": "LORA",
        "base_model_name_or_path": base,
        "task_type": None,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": alpha,
        "alpha_pattern": {},
        "rank_pattern": {},
        "target_modules": list(layers),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "modules_to_save": None,
        "use_rslora": False,
        "use_dora": False,
    }
