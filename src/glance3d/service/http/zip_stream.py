"""A zip that is made while it is sent: nothing of it is kept on the disk or in memory."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_CHUNK = 1024**2
# What is compressed already.
_STORED = (".jpg", ".jpeg", ".png", ".npz", ".glb", ".laz", ".exr", ".webp")


class _Outbox(io.RawIOBase):
    """What was written and not yet taken; it can only be written to."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, content: "bytes | bytearray | memoryview") -> int:  # pyrefly: ignore
        """Keep it until it is taken."""
        self._parts.append(bytes(content))
        return len(content)

    def take(self) -> bytes:
        """All that has come since."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def zip_chunks(files: Iterable[tuple[Path, str]]) -> Iterator[bytes]:
    """The bytes of a zip with these files under these names."""
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, name in files:
            entry = zipfile.ZipInfo.from_file(path, name)
            is_stored = path.suffix.lower() in _STORED
            entry.compress_type = zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(entry, "w") as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                    if content := outbox.take():
                        yield content
            yield outbox.take()
    yield outbox.take()


def files_to_zip(folder: Path, top: str) -> Iterator[tuple[Path, str]]:
    """Every visible file in a folder and below, and its name in the zip, below ``top``."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in inside.parts)
        if not is_hidden and path.is_file() and not path.is_symlink():
            yield path, f"{top}/{inside.as_posix()}" if top else inside.as_posix()
