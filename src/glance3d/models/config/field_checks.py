"""The fields of a config, held to their types and to what a network could be.

A config may come from a file that somebody else wrote: every number decides how much is built.
"""

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from reprlib import repr as short_repr
from typing import Any

from glance3d.errors import ConfigError

MAX_DEPTH = 200
MAX_WIDTH = 16_384
_MAX_NAME = 200
_COUNT, _WIDTH = (1, 1024), (1, MAX_WIDTH)
# From least to most. Of whatever is not named here: no negative number, none beyond the last.
_LIMITS: dict[str, tuple[float, float]] = {
    "depth": (1, MAX_DEPTH),
    "trunk_depth": (0, MAX_DEPTH),
    "layer": (0, MAX_DEPTH - 1),
    "layers": (0, MAX_DEPTH - 1),
    "num_heads": _COUNT,
    "num_iterations": (1, 64),
    "num_rounds": (0, 64),
    "pyramid_levels": (1, 16),
    "radius": (0, 64),
    "window_radius": (0, 64),
    "sharpen_radius": (0, 64),
    "num_register_tokens": (0, 1024),
    "num_virtual_tracks": _COUNT,
    "num_pools": _COUNT,
    "patch_size": (1, 256),
    "image_size": (1, 8192),
    "mlp_ratio": (1 / 64, 64),
    "rope_base": (1e-3, 1e9),
    "flow_scale": (1e-6, 1e9),
    "embed_dim": _WIDTH,
    "channels": _WIDTH,
    "features": _WIDTH,
    "output_channels": _WIDTH,
    "base_channels": _WIDTH,
    "latent_dim": _WIDTH,
    "hidden_dim": _WIDTH,
    "descriptor_dim": _WIDTH,
    "pair_dim": _WIDTH,
}
_ANY = (0, 1e9)


def checked_values(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the fields of a config class, each of its type.

    A whole number may stand where any number is wanted, and becomes one; True is no number.

    Raises:
        ConfigError: it names the config, the field and its value.
    """
    checked = {}
    for field in fields(kind):
        if field.name not in values:
            continue
        value = values[field.name]
        if not _is_of(value, field.type):
            raise ConfigError(
                f"{field.name} of {kind.__name__} must be {_words(field.type)}, got "
                f"{short_repr(value)}"
            )
        is_number = field.type is float and abs(value) <= _ANY[1]
        checked[field.name] = float(value) if is_number else value
    return checked


def check_fields(config: Any) -> None:
    """Refuse a field of another type than it has, and numbers out of bounds.

    Parts that are configs themselves are left to their own check.

    Raises:
        ConfigError: it names the config, the field and its value.
    """
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    for name, value in checked_values(type(config), values).items():
        for number in value if isinstance(value, tuple) else (value,):
            _check_bounds(number, name, type(config).__name__)


def refuse_indivisible(width: int, num_heads: int, where: str) -> None:
    """Heads share a width evenly."""
    if width % num_heads:
        raise ConfigError(f"the width {width} of the {where} does not divide by {num_heads} heads")


def _is_of(value: Any, kind: Any) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of(item, arguments[0]) for item in value)
    if origin is typing.Literal:
        return isinstance(value, str) and value in arguments
    if origin in (types.UnionType, typing.Union):
        return any(_is_of(value, option) for option in arguments)
    if kind in (int, float):
        wanted = int if kind is int else int | float
        return isinstance(value, wanted) and not isinstance(value, bool)
    return value is None if kind is types.NoneType else isinstance(value, kind)


def _check_bounds(value: Any, name: str, where: str) -> None:
    if isinstance(value, str) and len(value) > _MAX_NAME:
        raise ConfigError(f"{name} of {where} is longer than {_MAX_NAME} characters")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    low, high = _LIMITS.get(name, _ANY)
    if not low <= value <= high or (isinstance(value, float) and not math.isfinite(value)):
        raise ConfigError(
            f"{name} of {where} must be a number from {low:g} to {high:g}, got {short_repr(value)}"
        )


def _words(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    named = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return named.get(kind) or getattr(kind, "__name__", str(kind))
