"""Writing so that a reader never meets half a file.

Everything is written under a temporary name in the folder where it will stand and moved into place
when it is whole. When anything fails, what was begun is removed, what stood there before still
stands, and an ``OSError`` becomes an ``OutputError`` of one sentence.
"""

import errno
import hashlib
import json
import math
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
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


# Before the hexadecimal digits: whose it is, a process and a short hash of its machine's name.
_TEMPORARY = re.compile(
    r"\.tmp-(?:(?P<process>\d+)-(?P<machine>[0-9a-f]{6})-)?[0-9a-f]{12}(\.\w*)?"
)
_LONGEST_SUFFIX = 16
# Temporaries that this process writes to, and folders that it has cleaned.
_live: set[str] = set()
_cleaned: set[Path] = set()


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
    with errors_named(path), folder_made(path.parent):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with temporary_beside(path) as temporary:
            yield temporary
            temporary.replace(path)


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


def remove_dead_temporaries(folder: Path, *, alone: bool = False) -> None:
    """Remove what writers that were killed have left in a folder: files and folders.

    Temporaries of a live process of this machine stay. With ``alone``, which says that nobody else
    may be writing there, those go too that do not say whose they are or come from other machines.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            match = _TEMPORARY.fullmatch(path.name)
            if match is None or path.name in _live:
                continue
            if _is_dead(match["process"], match["machine"], alone):
                remove_whole(path)


def remove_whole(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it; what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _is_dead(process: str | None, machine: str | None, alone: bool) -> bool:
    if process is None or machine != _machine():
        return alone
    if int(process) == os.getpid():  # an earlier process of this number: containers count from 1
        return True
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return alone
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@lru_cache(maxsize=1)
def _machine() -> str:
    return hashlib.sha256(platform.node().encode(errors="replace")).hexdigest()[:6]


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Hidden, unguessable, on the same disk; the suffix stays, because writers look at it.

    What is left of it is removed at the end.
    """
    if path.parent not in _cleaned:
        _cleaned.add(path.parent)
        remove_dead_temporaries(path.parent)
    suffix = path.suffix if len(path.suffix) <= _LONGEST_SUFFIX else ""
    name = f".tmp-{os.getpid()}-{_machine()}-{secrets.token_hex(6)}{suffix}"
    _live.add(name)
    try:
        yield path.parent / name
    finally:
        _live.discard(name)
        remove_whole(path.parent / name)


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block into the one sentence about writing ``path``."""
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
