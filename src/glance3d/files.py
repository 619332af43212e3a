"""Writing so that a reader never meets half a file.

Everything is written under a temporary name in the folder where it will stand and moved into place
when it is whole. When anything fails, what was begun is removed, what stood there before still
stands, and an ``OSError`` becomes an ``OutputError`` of one sentence.
"""

import errno
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from glance3d.errors import OutputError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another disk",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another disk",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.EACCES: "there is no permission to write there; choose another folder",
    errno.EPERM: "there is no permission to write there; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of that path is a file, not a folder; choose another path",
    errno.EEXIST: "a file of that name stands where a folder is needed; choose another path",
    errno.EISDIR: "a folder of that name stands where a file is needed; choose another path",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter one",
}


def output_error(path: Path, error: OSError) -> OutputError:
    """The one sentence for a failed write."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"cannot write {path}: {reason}")


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """A temporary name, with the same suffix, to write to; on success it becomes ``path``.

    Folders above are made. On failure the temporary file and the folders made for it are gone
    again. Raises ``OutputError`` for whatever the file system refuses inside the block.
    """
    path = Path(path)
    with _errors_named(path), folder_made(path.parent):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        temporary = _temporary_beside(path)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A temporary, empty folder to fill; on success it takes the place of the folder ``path``.

    The old folder, if there is one, is replaced as a whole, so that no file of an earlier result
    stays behind and is read together with the new ones.
    """
    path = Path(path)
    with _errors_named(path), folder_made(path.parent):
        if path.exists() and not path.is_dir():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        temporary = _temporary_beside(path)
        temporary.mkdir()
        try:
            yield temporary
            _swap_folders(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def save_bytes(path: str | Path, content: bytes) -> Path:
    """Write a whole file at once; see :func:`atomic_file`."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def save_json(path: str | Path, content: Any) -> Path:
    """Write strict JSON (UTF-8, indented); see :func:`to_json_text` and :func:`atomic_file`."""
    text = to_json_text(content, indent=1) + "\n"
    # A path with bytes that are no text keeps them as an escape, which JSON has too.
    return save_bytes(path, text.encode(errors="backslashreplace"))


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the list of a folder's names, would survive a loss of power.

    Where the system cannot do that for such a path, nothing happens.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def to_json_text(content: Any, indent: int | None = None) -> str:
    """Strict JSON: NaN and infinity, which JSON lacks, become null; paths and the like text."""
    return json.dumps(_json_ready(content), indent=indent, ensure_ascii=False, allow_nan=False)


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if hasattr(value, "tolist"):  # numpy and torch numbers and arrays
        return _json_ready(value.tolist())
    return str(value)


def _temporary_beside(path: Path) -> Path:
    """Hidden, unguessable, on the same disk; the suffix stays, because writers look at it."""
    return path.parent / f".tmp-{secrets.token_hex(6)}{path.suffix}"


def _swap_folders(temporary: Path, path: Path) -> None:
    if not path.exists():
        temporary.rename(path)
        return
    old = _temporary_beside(path)
    path.rename(old)
    try:
        temporary.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise output_error(path, error) from error


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Make ``folder`` and those above it; when the block fails, remove those that were made."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in made:  # innermost first; one that is no longer empty stays
            with suppress(OSError):
                path.rmdir()
        raise
