"""PLY: vertices written, and the points of any PLY file read, binary or text.

Source: Turk, "The PLY polygon file format", 1994.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import ImageError
from glance3d.files.atomic import save_bytes
from glance3d.files.regular_file import regular_file

_TYPES = {
    **{name: "i1" for name in ("char", "int8")},
    **{name: "u1" for name in ("uchar", "uint8")},
    **{name: "i2" for name in ("short", "int16")},
    **{name: "u2" for name in ("ushort", "uint16")},
    **{name: "i4" for name in ("int", "int32")},
    **{name: "u4" for name in ("uint", "uint32")},
    **{name: "f4" for name in ("float", "float32")},
    **{name: "f8" for name in ("double", "float64")},
}
_WRITTEN = {"f4": "float", "u1": "uchar"}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_LONGEST_HEADER = 1 << 16


def write_ply_vertices(path: Path, vertices: np.ndarray, comments: Sequence[str]) -> Path:
    """Write vertices, binary and little-endian; return ``path``.

    ``vertices`` are records whose fields, in order, are the properties: float32 or uint8, packed.
    A comment is written in one line.
    """
    fields = [(name, vertices.dtype[name].str[1:]) for name in vertices.dtype.names or ()]
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {' '.join(text.split())}" for text in comments),
        f"element vertex {len(vertices)}",
        *(f"property {_WRITTEN[kind]} {name}" for name, kind in fields),
        "end_header",
    ]
    head = "\n".join(lines) + "\n"
    return save_bytes(path, head.encode("ascii", "replace") + vertices.tobytes())


def read_ply_points(path: Path) -> Float[Tensor, "points 3"]:
    """``x``, ``y``, ``z`` of the first element, which must be the vertices, float64.

    Raises:
        ImageError: it is no such file, or cut short.
    """
    regular_file(path, error=ImageError)
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER)
        head, mark, _ = start.partition(b"end_header")
        end = start.find(b"\n", len(head)) + 1
        if not start.startswith(b"ply") or not mark or not end:
            raise ImageError(f"{path} must be a PLY file, whose header ends with end_header")
        order, count, fields = _parse(head.decode("ascii", "replace"), path)
        file.seek(end)
        if order:
            dtype = np.dtype([(name, order + kind) for name, kind in fields])
            if path.stat().st_size - end < count * dtype.itemsize:
                raise ImageError(f"{path} is cut short: too few bytes for {count} points")
            rows = np.fromfile(file, dtype, count)
            points = np.stack([rows[axis] for axis in "xyz"], -1).astype(np.float64)
        else:
            places = [[name for name, _ in fields].index(axis) for axis in "xyz"]
            try:
                points = np.loadtxt(file, usecols=places, max_rows=count, ndmin=2)
            except ValueError as error:
                raise ImageError(f"{path} must hold rows of numbers: {error}") from error
    if len(points) != count or not np.isfinite(points).all():
        raise ImageError(f"{path} must hold {count} points, got {len(points)}, or some not finite")
    return torch.from_numpy(points)


def _parse(head: str, path: Path) -> tuple[str, int, list[tuple[str, str]]]:
    """The order of bytes ("" for text), how many vertices, and their fields."""
    order, count, fields, elements = None, 0, [], 0
    for line in head.splitlines():
        words = line.split()
        if words[:1] == ["format"] and len(words) > 1:
            order = _ORDERS.get(words[1])
        elif words[:1] == ["element"] and len(words) == 3:
            elements += 1
            if elements == 1 and words[1] == "vertex" and words[2].isdecimal():
                count = int(words[2])
        elif words[:1] == ["property"] and elements == 1:
            kind = _TYPES.get(words[1])
            if kind is None or len(words) != 3:
                raise ImageError(f"{path} must have vertices of plain numbers, got {line!r}")
            fields.append((words[2], kind))
    names = [name for name, _ in fields]
    if order is None or not count or not set("xyz") <= set(names) or len(set(names)) < len(names):
        raise ImageError(f"{path} must begin with vertices that have x, y and z")
    return order, count, fields
