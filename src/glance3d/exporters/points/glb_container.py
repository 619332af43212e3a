"""The binary side of a GLB: accessors into one buffer, and the two chunks of the file."""

import json
import struct
from typing import Any

import numpy as np
from jaxtyping import Float, Int

_MAGIC, _VERSION = 0x46546C67, 2
_JSON_CHUNK, _BIN_CHUNK = 0x4E4F534A, 0x004E4942
_FLOAT, _UNSIGNED_INT = 5126, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963


class GlbBuffer:
    """Collects arrays; each becomes a buffer view with one accessor, whose index is returned.

    All elements are four bytes wide, so every offset and stride is aligned as glTF asks.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []
        self._size = 0

    def add_vertices(
        self, values: Float[np.ndarray, "vertices 3"], with_bounds: bool = False
    ) -> int:
        """A VEC3 of floats; positions need their bounds."""
        accessor: dict[str, Any] = {"componentType": _FLOAT, "type": "VEC3"}
        if with_bounds:
            accessor["min"] = values.min(0).tolist()
            accessor["max"] = values.max(0).tolist()
        return self._add(values.astype("<f4"), accessor, _ARRAY_BUFFER)

    def add_indices(self, values: Int[np.ndarray, "*shape"]) -> int:
        """Vertex indices, flattened."""
        accessor = {"componentType": _UNSIGNED_INT, "type": "SCALAR"}
        return self._add(values.astype("<u4").reshape(-1), accessor, _ELEMENT_ARRAY_BUFFER)

    def encode(self, document: dict[str, Any]) -> bytes:
        """The whole file: header, JSON chunk, binary chunk."""
        document = {
            **document,
            "buffers": [{"byteLength": self._size}],
            "bufferViews": self._views,
            "accessors": self._accessors,
        }
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), _JSON_CHUNK) + text
        chunks += struct.pack("<II", self._size, _BIN_CHUNK)
        size = 12 + len(chunks) + self._size
        return b"".join([struct.pack("<III", _MAGIC, _VERSION, size), chunks, *self._parts])

    def _add(self, values: np.ndarray, accessor: dict[str, Any], target: int) -> int:
        content = values.tobytes()
        view = {"buffer": 0, "byteOffset": self._size, "byteLength": len(content), "target": target}
        self._accessors.append({"bufferView": len(self._views), "count": len(values), **accessor})
        self._views.append(view)
        self._parts.append(content)
        self._size += len(content)
        return len(self._accessors) - 1
