"""Options of one scene among many: the words of the command line as values of JSON."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from glance3d.cli.options.scene import SceneFlags
from glance3d.errors import InputError
from glance3d.text import visible_text

# Groups whose every option may differ from scene to scene, and single ones of another group.
_GROUPS = ("input", "clips", "passes", "refinement", "known")
_OF_OUTPUT = ("confidence_percentile", "max_points")

_Flags = TypeVar("_Flags", bound=SceneFlags)


def with_overrides(flags: _Flags, values: Mapping[str, Any], folder: Path, where: str) -> _Flags:
    """The flags with some values of a scene's own; paths in them begin at ``folder``.

    Raises:
        InputError: an option is unknown or none of a scene's own, or a value is of the wrong kind.
    """
    groups = option_groups(flags)
    changes: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in groups:
            raise InputError(
                f"unknown option '{visible_text(name)}' in {where}: choose from "
                f"{', '.join(groups)} (the model is the same for all scenes)"
            )
        group = groups[name]
        kind = get_type_hints(type(getattr(flags, group)))[name]
        try:
            parsed = _parsed(kind, value, folder)
        except ValueError as error:
            raise InputError(f"option {name} in {where} must be {error}, got {value!r}") from None
        changes.setdefault(group, {})[name] = parsed
    changed = {name: replace(getattr(flags, name), **one) for name, one in changes.items()}
    return replace(flags, **changed)


def option_groups(flags: SceneFlags) -> dict[str, str]:
    """The group of each option that a scene may have of its own."""
    groups = {one.name: group for group in _GROUPS for one in fields(getattr(flags, group))}
    return {**groups, **dict.fromkeys(_OF_OUTPUT, "output")}


def _parsed(kind: Any, value: Any, folder: Path) -> Any:
    """The value as a flag has it; ``ValueError`` says what was wanted."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in args:
            return None
        return _parsed(next(one for one in args if one is not NoneType), value, folder)
    if origin is Literal:
        if value not in args or isinstance(value, bool):
            raise ValueError(f"one of {', '.join(map(str, args))}")
        return value
    if origin is tuple:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValueError("a list of texts")
        return tuple(value)
    if kind is Path:
        if not isinstance(value, str) or not value:
            raise ValueError("a path")
        return folder.absolute() / Path(value).expanduser()
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits:
        raise ValueError(names[kind])
    return kind(value)
