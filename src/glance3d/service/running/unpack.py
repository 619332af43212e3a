"""Zips of photos that somebody sent: nothing in them is believed before it is looked at.

No path of a zip is used, only the last part of its names, made fit for files here. What is unpacked
is counted while it is written, since a zip may say anything of its sizes.
"""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glance3d.errors import InputError
from glance3d.files.atomic import errors_named
from glance3d.service.jobs.limits import Limits
from glance3d.service.jobs.names import ZIP_SUFFIX, file_name, is_taken, shown_name

#: Photos and clips are compressed already: what shrinks more than so is made to fill disks. Small
#: files may (drawn pictures, masks).
MOST_RATIO = 200
_SMALL = 16 * 1024**2  # bytes
_MOST_ENTRIES = 20_000
_CHUNK = 1024**2
_ENCRYPTED = 0x1


@dataclass
class _Room:
    """What may still be written."""

    num_bytes: int
    num_files: int


def unpack_zips(inputs: Path, unpacked: Path, limits: Limits) -> int:
    """Put the photos and clips of all zips in ``inputs`` into the new folder ``unpacked``.

    No name is one of ``inputs``. Returns how many files were unpacked.

    Raises:
        InputError: a zip cannot be read, holds none, or holds more than a job may.
    """
    with errors_named(unpacked):
        unpacked.mkdir()
        files = sorted(inputs.iterdir())
    zips = [path for path in files if path.suffix.lower() == ZIP_SUFFIX]
    others = [path for path in files if path not in zips]
    sizes = sum(path.stat().st_size for path in others)
    room = _Room(limits.job_bytes - sizes, limits.job_files - len(others))
    names = [path.name for path in others]
    for path in zips:
        _unpack(path, unpacked, names, room, limits)
    return len(names) - len(others)


def _unpack(path: Path, unpacked: Path, names: list[str], room: _Room, limits: Limits) -> None:
    before = len(names)
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in _photos(archive, path.name):
                _refuse(entry, room, limits)
                names.append(file_name(entry.filename, names))
                _write(archive, entry, unpacked / names[-1], room, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path.name} cannot be read as a zip: {error}: pack it again") from error
    if len(names) == before:
        raise InputError(f"{path.name} must hold photos or clips, got none: pack them again")


def _photos(archive: zipfile.ZipFile, name: str) -> Iterator[zipfile.ZipInfo]:
    entries = archive.infolist()
    if len(entries) > _MOST_ENTRIES:
        raise InputError(f"{name} must hold at most {_MOST_ENTRIES} files, got {len(entries)}")
    for entry in entries:
        last = entry.filename.replace("\\", "/").rpartition("/")[2]
        is_hidden = last.startswith(".") or "__MACOSX" in entry.filename
        is_zip = last.lower().endswith(ZIP_SUFFIX)
        if not entry.is_dir() and not is_hidden and not is_zip and is_taken(last):
            yield entry


def _refuse(entry: zipfile.ZipInfo, room: _Room, limits: Limits) -> None:
    """What the zip says of itself is enough to refuse it, never enough to trust it."""
    name = shown_name(entry.filename)
    if entry.flag_bits & _ENCRYPTED:
        raise InputError(f"{name} in the zip is encrypted: pack it without a password")
    if room.num_files < 1:
        raise InputError(f"a job takes at most {limits.job_files} files: send fewer")
    if entry.file_size > room.num_bytes:
        raise _too_many_bytes(limits)
    if entry.file_size > max(_SMALL, MOST_RATIO * entry.compress_size):
        raise InputError(f"{name} in the zip shrinks more than photos do: send it as it is")


def _write(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, room: _Room, limits: Limits
) -> None:
    room.num_files -= 1
    with errors_named(path), archive.open(entry) as source, path.open("xb") as file:
        while chunk := source.read(_CHUNK):
            room.num_bytes -= len(chunk)
            if room.num_bytes < 0:
                raise _too_many_bytes(limits)
            file.write(chunk)


def _too_many_bytes(limits: Limits) -> InputError:
    return InputError(
        f"a job takes at most {limits.job_bytes / 1e9:g} GB, unpacked: send fewer or smaller files"
    )
