"""The arrays of an ``.npz`` from elsewhere, each declared before it is read.

NumPy's own reader unpacks whatever an archive holds. Here the archive's directory and each array's
header are read first, within fixed bounds, so that names, types, shapes and the sum of bytes can be
checked before anything is allocated. Only plain and deflated entries of plain dtypes are read:
no pickles, no encryption, no other compression.
"""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glance3d.errors import SceneError

_MOST_AT_ONCE = 2**22  # bytes of one read, and so of the directory
_MAX_HEADER = 2**12
# What archives may unpack to: a little, and so many times their own size. Masks are large plain
# areas, of which a hundredth is left; what is deflated and wholly plain goes down to a thousandth.
_FREE_BYTES = 128 * 2**20
MAX_GROWTH = 64
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<|=]?)([a-zA-Z])(\d{1,8})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,15},? ?){0,8})\), ?\} *\n"
)
_KINDS = set("biufU")
_ENCRYPTED = 0x1 | 0x40
# What zipfile, zlib and NumPy throw at damaged archives.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,  # UnicodeDecodeError, too
    TypeError,
    KeyError,
    OverflowError,
    RuntimeError,  # NotImplementedError, too
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class ArrayHeader:
    """What an entry says of itself: ``dtype``, ``shape``, and in which order it is stored."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran_order: bool
    entry: zipfile.ZipInfo

    @property
    def num_bytes(self) -> int:
        """Of the array's values."""
        return math.prod(self.shape) * self.dtype.itemsize


class ArrayArchive:
    """The arrays of an open archive; ``headers`` are of those that are wanted, by name."""

    def __init__(
        self, archive: zipfile.ZipFile, wanted: Callable[[str], bool], max_bytes: int
    ) -> None:
        self._archive = archive
        entries: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name in entries:
                raise SceneError(f"it has two arrays called {name}")
            entries[name] = entry
        self.headers = {name: self._header(e) for name, e in entries.items() if wanted(name)}
        unpacked = sum(header.num_bytes for header in self.headers.values())
        if unpacked > max_bytes:
            raise SceneError(
                f"it would unpack to {unpacked} bytes, where at most {max_bytes} are expected of a "
                "file of its size"
            )

    def read(self, name: str) -> np.ndarray:
        """One array, in C order."""
        header = self.headers[name]
        values = np.empty(math.prod(header.shape), header.dtype)
        raw = values.view(np.uint8) if values.itemsize else np.empty(0, np.uint8)
        with self._archive.open(header.entry) as file:
            self._skip_header(file)
            start = 0
            while start < header.num_bytes:
                part = file.read(min(_MOST_AT_ONCE, header.num_bytes - start))
                if not part:
                    raise SceneError(f"its {name} is cut short")
                raw[start : start + len(part)] = np.frombuffer(part, np.uint8)
                start += len(part)
            if file.read(1):  # also makes zipfile compare the checksum
                raise SceneError(f"its {name} is longer than it says")
        if not header.fortran_order:
            return values.reshape(header.shape)
        return np.ascontiguousarray(values.reshape(header.shape[::-1]).T)

    def _header(self, entry: zipfile.ZipInfo) -> ArrayHeader:
        name = entry.filename
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise SceneError(f"{name} is compressed in a way that no scene is")
        if entry.flag_bits & _ENCRYPTED:
            raise SceneError(f"{name} is encrypted")
        with self._archive.open(entry) as file:
            text = self._skip_header(file)
        match = _HEADER.fullmatch(text)
        if match is None or match[2].decode() not in _KINDS:
            raise SceneError(f"{name} is no array of numbers or text")
        shape = tuple(int(size) for size in re.findall(rb"\d+", match[5]))
        return ArrayHeader(
            np.dtype((match[2] + match[3]).decode()), shape, match[4] == b"True", entry
        )

    @staticmethod
    def _skip_header(file: Any) -> bytes:
        """Read the text before the values."""
        if file.read(len(_MAGIC)) != _MAGIC:
            raise SceneError("an entry is no NumPy array of the first version")
        (length,) = struct.unpack("<H", file.read(2))
        if length > _MAX_HEADER:
            raise SceneError("an array's header is longer than any header is")
        return file.read(length)


class _BoundedReads:
    """A file whose single reads are bounded: zipfile reads the directory in one."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > _MOST_AT_ONCE:
            raise SceneError("its directory is larger than a scene's")
        return self._file.read(_MOST_AT_ONCE if size < 0 else size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def open_arrays(
    path: Path, wanted: Callable[[str], bool], *, max_growth: int = MAX_GROWTH
) -> Iterator[ArrayArchive]:
    """The archive's arrays whose names are wanted; whatever else it holds is never read.

    It may unpack to ``max_growth`` times its own size, and a little.

    Raises:
        SceneError: inside the block, too: it is no archive, damaged, or beyond the bounds.
    """
    try:
        with path.open("rb") as file:
            max_bytes = _FREE_BYTES + max_growth * path.stat().st_size
            with zipfile.ZipFile(_BoundedReads(file)) as archive:  # type: ignore[arg-type]
                yield ArrayArchive(archive, wanted, max_bytes)
    except SceneError:
        raise
    except _DAMAGE as error:
        raise SceneError(f"it is damaged ({type(error).__name__}: {error})") from error
