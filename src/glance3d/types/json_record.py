"""Frozen dataclasses as JSON objects and back, and JSON itself, frozen."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

from glance3d.errors import Glance3DError

_SCALARS = {str: (str,), bool: (bool,), int: (int,), float: (float, int)}
_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    NoneType: "null",
}


class JsonObject(Mapping[str, Any]):
    """A JSON object that cannot be changed: values are objects, tuples, numbers, text or None."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = {key: freeze(value) for key, value in (values or {}).items()}

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"JsonObject({self._values})"


def freeze(value: Any) -> Any:
    """Objects and lists as ones that cannot be changed; anything else as it is."""
    if isinstance(value, Mapping):
        return value if isinstance(value, JsonObject) else JsonObject(value)
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value


def freeze_fields(record: Any) -> None:
    """The same for all fields of a dataclass, as it is made."""
    for one in fields(record):
        object.__setattr__(record, one.name, freeze(getattr(record, one.name)))


@dataclass(frozen=True)
class JsonRecord:
    """A JSON object with fields of known types; ``unknown`` is what else it held.

    A field that is its default is left out of JSON, but for those in ``always``.
    """

    always: ClassVar[frozenset[str]] = frozenset()

    unknown: JsonObject = field(default=JsonObject(), kw_only=True)

    def __post_init__(self) -> None:
        """Whatever the fields were made from, nothing in them can be changed any more."""
        freeze_fields(self)


def to_json(value: Any) -> Any:
    """Records, frozen objects and tuples as the dicts and lists that ``json`` writes."""
    if isinstance(value, JsonRecord):
        known = {
            one.name: to_json(getattr(value, one.name))
            for one in known_fields(type(value))
            if not _is_left_out(value, one)
        }
        return {**known, **to_json(value.unknown)}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    return [to_json(item) for item in value] if isinstance(value, list | tuple) else value


def from_json(kind: Any, value: Any) -> Any:
    """``value`` as this type: a record, scalar, ``Mapping``, tuple or union.

    Raises:
        ValueError: it is something else.
    """
    return _parsed(kind, value)


def known_fields(kind: type[JsonRecord]) -> tuple[Field, ...]:
    """All fields but ``unknown``."""
    return tuple(one for one in fields(kind) if one.name != "unknown")


@cache
def types_of(kind: type[JsonRecord]) -> dict[str, Any]:
    """The type of each field."""
    return get_type_hints(kind)


def _is_left_out(record: JsonRecord, one: Field) -> bool:
    is_default = one.default is not MISSING and getattr(record, one.name) == one.default
    return is_default and one.name not in record.always


def _parsed(kind: Any, value: Any) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return freeze(value)
    if origin in (Union, UnionType):
        return _parsed_union(args, value)
    if origin is tuple:
        return _parsed_tuple(args, value)
    if origin is Mapping or is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise ValueError(f"must be an object, got a {type(value).__name__}")
        if origin is Mapping:
            return JsonObject({key: _parsed(args[1], item) for key, item in value.items()})
        return _parsed_record(kind, value)
    if kind is NoneType and value is None:
        return None
    if type(value) not in _SCALARS.get(kind, ()):
        raise ValueError(f"must be {_in_words(kind)}, got a {type(value).__name__}")
    return _as_float(value) if kind is float else value


def _as_float(value: float | int) -> float:
    """A whole number in JSON may stand for any number."""
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError("got a number beyond all floats") from error


def _parsed_union(kinds: tuple[Any, ...], value: Any) -> Any:
    for kind in kinds:
        try:
            return _parsed(kind, value)
        except ValueError:
            continue
    words = " or ".join(map(_in_words, kinds))
    raise ValueError(f"must be {words}, got a {type(value).__name__}")


def _in_words(kind: Any) -> str:
    return _WORDS.get(kind, "an object" if get_origin(kind) is not tuple else "a list")


def _parsed_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list, got a {type(value).__name__}")
    if kinds[-1] is ...:
        return tuple(_parsed(kinds[0], item) for item in value)
    if len(kinds) != len(value):
        raise ValueError(f"must have {len(kinds)} values, got {len(value)}")
    return tuple(_parsed(kind, item) for kind, item in zip(kinds, value, strict=True))


def _parsed_record(kind: type[JsonRecord], value: Mapping[str, Any]) -> JsonRecord:
    types, known = types_of(kind), known_fields(kind)
    missing = [one.name for one in known if one.default is MISSING and one.name not in value]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}")
    names = [one.name for one in known if one.name in value]
    others = {key: item for key, item in value.items() if key not in names}
    parsed = {}
    for name in names:
        try:
            parsed[name] = _parsed(types[name], value[name])
        except Glance3DError:
            raise  # a record's own sentence
        except ValueError as error:
            raise ValueError(f"{name} {error}") from error
    return kind(**parsed, unknown=JsonObject(others))
