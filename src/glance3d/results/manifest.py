"""The manifest of a folder of results: which files Glance3D wrote there, and what they were.

It is the hidden file ``.glance3d-manifest.json``. Only what it names, unchanged, is ours and may be
replaced or removed. While new files are moved into place it also holds the move that is under way,
so that whoever opens the folder after a kill can finish it::

    {"schema": "glance3d.manifest/1", "glance3d": VERSION, "state": "complete" | "moving",
     "files": {"depth/a.png": {"size": BYTES, "sha256": HEX, "part": "all" | "ends" | "start"}},
     "move": {"staging": NAME, "moves": [PATH], "files": {}, "replaces": {}, "removes": {}}}
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, get_args

from glance3d._version import __version__
from glance3d.errors import OutputError
from glance3d.files.atomic import atomic_file, flush_to_disk, to_json_text
from glance3d.files.json_input import read_json_object
from glance3d.results.fingerprint import Fingerprint, Part
from glance3d.results.unfinished import UNFINISHED_FOLDER

MANIFEST_FILE = ".glance3d-manifest.json"
SCHEMA = "glance3d.manifest/1"
_STAGING_PREFIX = ".glance3d-staging-"
_STAGING_NAME = re.compile(re.escape(_STAGING_PREFIX) + r"[0-9a-f]{12}")
_WITHOUT_IT = "remove it, and what is in the folder counts as somebody else's"
_HEX = re.compile(r"[0-9a-f]{64}")

Files = Mapping[str, Fingerprint]


@dataclass(frozen=True)
class Move:
    """A move of new files into place that has begun.

    ``moves`` stand in the folder ``staging`` or, moved already, at their places. ``files`` are ours
    when all is done. ``replaces`` is what may stand at a place until then, ``removes`` what is left
    over of an earlier result.
    """

    staging: str
    moves: tuple[str, ...]
    files: Files
    replaces: Files
    removes: Files


@dataclass(frozen=True)
class Manifest:
    """What is ours in one folder: paths relative to it, with ``/``, and what the files were."""

    files: Files = field(default_factory=dict)
    move: Move | None = None

    def names(self, path: str, size: int) -> bool:
        """Whether a file of this size at this place is ours, by its size alone."""
        known = [self.files, *([] if self.move is None else [self.move.files])]
        return any(path in files and files[path].fits_size(size) for files in known)


def read_manifest(folder: str | Path) -> Manifest | None:
    """The manifest of a folder, or None if it has none.

    Raises:
        OutputError: there is one that cannot be read.
    """
    path = Path(folder) / MANIFEST_FILE
    if not path.is_file():
        return None
    try:
        record = read_json_object(path, error=OutputError)
    except OutputError as error:
        raise OutputError(f"{error}; {_WITHOUT_IT}") from error
    try:
        return _from_record(record)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise OutputError(f"{path} is no manifest of {SCHEMA} ({error}); {_WITHOUT_IT}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace a folder's manifest at once, and for good: it is on the disk afterwards."""
    move = manifest.move
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "glance3d": __version__,
        "state": "complete" if move is None else "moving",
        "files": _to_record(manifest.files),
    }
    if move is not None:
        record["move"] = {
            "staging": move.staging,
            "moves": list(move.moves),
            "files": _to_record(move.files),
            "replaces": _to_record(move.replaces),
            "removes": _to_record(move.removes),
        }
    text = to_json_text(record, indent=1) + "\n"
    with atomic_file(folder / MANIFEST_FILE) as temporary:
        temporary.write_bytes(text.encode(errors="backslashreplace"))
        flush_to_disk(temporary)
    flush_to_disk(folder)


def new_staging_name() -> str:
    """A name, not used before, of the hidden folder that a result is written to first."""
    return f"{_STAGING_PREFIX}{secrets.token_hex(6)}"


def is_staging_name(name: str) -> bool:
    """Whether :func:`new_staging_name` can have made the name; nobody else's folder is removed."""
    return _STAGING_NAME.fullmatch(name) is not None


def is_own_result(path: str | Path) -> bool:
    """Whether a manifest in a file's folder, or in one above it, names it, and its size is right.

    Files of a result that has not been moved into place yet, or is unfinished, are ours as well.
    """
    path = Path(path).absolute()
    try:
        size = path.lstat().st_size
    except (OSError, ValueError):
        return False
    if any(is_staging_name(part) or part == UNFINISHED_FOLDER for part in path.parts):
        return True
    return any(_names(folder, path, size) for folder in path.parents)


def _names(folder: Path, path: Path, size: int) -> bool:
    try:
        status = (folder / MANIFEST_FILE).stat()
        manifest = _cached(folder, status.st_ino, status.st_ctime_ns, status.st_size)
    except (OSError, OutputError):
        return False
    return manifest is not None and manifest.names(path.relative_to(folder).as_posix(), size)


@lru_cache(maxsize=64)
def _cached(folder: Path, inode: int, changed: int, size: int) -> Manifest | None:
    """The same for the many files of one folder."""
    return read_manifest(folder)


def _to_record(files: Files) -> dict[str, Any]:
    return {path: asdict(files[path]) for path in sorted(files)}


def _from_record(record: dict[str, Any]) -> Manifest:
    if record["schema"] != SCHEMA:
        raise ValueError(f"it is of {record['schema']!r}")
    move = record.get("move")
    return Manifest(_files(record["files"]), None if move is None else _move(move))


def _move(record: dict[str, Any]) -> Move:
    if not is_staging_name(record["staging"]):
        raise ValueError(f"{record['staging']!r} is no name of a folder to move from")
    return Move(
        record["staging"],
        tuple(_checked_path(path) for path in record["moves"]),
        *(_files(record[key]) for key in ("files", "replaces", "removes")),
    )


def _files(record: dict[str, Any]) -> dict[str, Fingerprint]:
    return {_checked_path(path): _fingerprint(entry) for path, entry in record.items()}


def _checked_path(text: str) -> str:
    """A path that stays in the folder: a manifest may come from anywhere."""
    path = PurePath(text)  # of this system: on Windows, backslashes and drives count as well
    if path.is_absolute() or path.drive or not path.parts or ".." in path.parts or "\0" in text:
        raise ValueError(f"{text!r} is no path in the folder")
    return PurePosixPath(text).as_posix()


def _fingerprint(entry: dict[str, Any]) -> Fingerprint:
    size, sha256, part = entry["size"], entry["sha256"], entry.get("part", "all")
    if type(size) is not int or size < 0 or not _HEX.fullmatch(sha256) or part not in _PARTS:
        raise ValueError(f"{entry!r} is no size and SHA-256")
    return Fingerprint(size, sha256, part)


_PARTS: tuple[Part, ...] = get_args(Part)
