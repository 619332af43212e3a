"""Size and hash of a file when it was written, to detect later changes."""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

_END = 1 << 20  # bytes

#: Which bytes the hash is of. ``all`` of them; the two ``ends``, a MiB each, of files of gigabytes
#: that are written again and again (a checkpoint keeps the checksums of its tensors in its end); or
#: the ``start``, whole lines, of a log to which others may have been appended since.
Part = Literal["all", "ends", "start"]


@dataclass(frozen=True)
class Fingerprint:
    """Size in bytes, and a SHA-256 in hexadecimal digits."""

    size: int
    sha256: str
    part: Part = "all"

    @classmethod
    def of(cls, path: Path, part: Part = "all") -> "Fingerprint":
        """Of a file as it is now."""
        size = path.stat().st_size
        if part == "start":
            size = _size_of_lines(path, size)
        return cls(size, _digest(path, part, size), part)

    def matches(self, path: Path) -> bool:
        """Whether a regular file is there, no link to one, and is what it was."""
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or not self.fits_size(status.st_size):
                return False
            return _digest(path, self.part, self.size) == self.sha256
        except OSError:
            return False

    def fits_size(self, size: int) -> bool:
        """Whether a file of this size can be the one: a log may have grown."""
        return size >= self.size if self.part == "start" else size == self.size


def _digest(path: Path, part: Part, size: int) -> str:
    with path.open("rb") as file:
        if part == "start":
            return _digest_of_start(file, size)
        if part == "ends" and size > 2 * _END:
            ends = hashlib.sha256(file.read(_END))
            file.seek(size - _END)
            ends.update(file.read(_END))
            return ends.hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size_of_lines(path: Path, size: int) -> int:
    """Without a last line that has no end (yet): it may be torn, and be repaired."""
    with path.open("rb") as file:
        begin = max(0, size - _END)
        file.seek(begin)
        return begin + file.read(size - begin).rfind(b"\n") + 1


def _digest_of_start(file: BinaryIO, size: int) -> str:
    digest, remaining = hashlib.sha256(), size
    while remaining > 0 and (block := file.read(min(remaining, _END))):
        digest.update(block)
        remaining -= len(block)
    return digest.hexdigest()
