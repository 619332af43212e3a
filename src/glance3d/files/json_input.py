"""Reading JSON that other programs wrote: bounded in size and depth, its values checked by type."""

import json
import math
import reprlib
from pathlib import Path
from typing import Any

from glance3d.errors import Glance3DError
from glance3d.files.text_input import read_text

#: Bytes; a frame of a ``transforms.json`` takes about 1,500.
JSON_LIMIT = 128 * 1024**2
#: Objects and arrays within each other; what we read has at most seven.
DEPTH_LIMIT = 32
_INT_LIMIT = 2**63


def read_json_object(
    path: str | Path, *, error: type[Glance3DError], limit: int = JSON_LIMIT
) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        error: The file cannot be read, is too long or nested too deeply, or holds no object.
    """
    return parse_json_object(read_text(path, error=error, limit=limit), str(path), error=error)


def parse_json_object(text: str, where: str, *, error: type[Glance3DError]) -> dict[str, Any]:
    """The object that a JSON text holds; ``where`` names the text in messages."""
    record = parse_json(text, where, error=error)
    if not isinstance(record, dict):
        raise error(f"{where} must hold a JSON object, got a {type(record).__name__}")
    return record


def parse_json(text: str, where: str, *, error: type[Glance3DError]) -> Any:
    """The value that a JSON text stands for; ``where`` names the text in messages."""
    try:
        value = json.loads(text)
    except RecursionError as failure:
        raise error(f"{where} is nested deeper than {DEPTH_LIMIT} levels") from failure
    except ValueError as failure:
        raise error(f"{where} cannot be read as JSON: {failure}") from failure
    if _is_deeper([value], DEPTH_LIMIT + 1):
        raise error(f"{where} is nested deeper than {DEPTH_LIMIT} levels")
    return value


def refuse_odd_numbers(value: Any, where: str, *, error: type[Glance3DError]) -> None:
    """Raise ``error`` where a parsed value holds a number that is not finite or beyond 64 bits."""
    level = [value]
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, float) and not math.isfinite(item):
                raise error(f"numbers in {where} must be finite, got {item}")
            elif isinstance(item, int) and not -_INT_LIMIT <= item < _INT_LIMIT:
                raise error(f"{where} holds a whole number of more than 64 bits")
        level = inner


def read_number(
    value: Any,
    what: str,
    *,
    error: type[Glance3DError],
    low: float = -math.inf,
    high: float = math.inf,
) -> float:
    """A finite number from ``low`` to ``high``; a text that holds one counts, true does not."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise error(f"{what} must be a finite number, got {reprlib.repr(value)}")
    if not low <= number <= high:
        raise error(f"{what} must be a number from {low:g} to {high:g}, got {number:g}")
    return number


def _is_deeper(value: Any, limit: int) -> bool:
    """Whether containers lie within each other more than ``limit`` times; without recursion."""
    level = [value]
    for _ in range(limit):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True
