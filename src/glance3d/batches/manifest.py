"""The list of scenes: a folder whose folders and clips are scenes, or JSON lines.

A line is ``{"name": "castle", "photos": "castle/photos", "options": {"max_pixels": 100000}}``:
``photos`` is a folder, a file or a glob, or a list of these, from the manifest's folder on. What
``options`` may hold is for the caller to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glance3d.batches.scenes import (
    check_name,
    refuse_duplicates,
    refuse_number,
)
from glance3d.errors import InputError
from glance3d.files.json_input import parse_json_object, refuse_odd_numbers
from glance3d.files.text_input import read_text
from glance3d.images.clips.frame_paths import is_clip
from glance3d.images.finding.sources import natural_key
from glance3d.text import first_names, visible_text

MANIFEST_LIMIT = 64 * 1024**2  # bytes
LINE_LIMIT = 4 * 1024**2
MOST_PHOTOS = 100_000
_KEYS = ("name", "photos", "options")


@dataclass(frozen=True)
class Entry:
    """A scene as the manifest has it; ``where`` says of messages which one it is."""

    name: str
    sources: tuple[str, ...]
    where: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ManifestContent:
    """All scenes, in order; the folder that relative paths begin at; sentences for a person."""

    entries: tuple[Entry, ...]
    folder: Path
    notes: tuple[str, ...] = ()


def read_manifest(path: str | Path, *, out: str | Path | None = None) -> ManifestContent:
    """The scenes of a folder or of a file of JSON lines; ``out``, the results, is no scene.

    Raises:
        InputError: it holds none, a name is unusable or comes twice, or a line is not understood.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        content = _of_folder(path, None if out is None else Path(out))
    else:
        content = _of_lines(path)
    refuse_number(content.entries, str(path))
    refuse_duplicates((entry.name, entry.where) for entry in content.entries)
    return content


def _of_folder(folder: Path, out: Path | None) -> ManifestContent:
    """Subfolders by their names and clips by theirs without the suffix, naturally sorted."""
    try:
        paths = sorted(folder.iterdir(), key=natural_key)
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}") from error
    visible = [path for path in paths if not path.name.startswith(".")]
    scenes = [path for path in visible if (path.is_dir() or is_clip(path)) and not _is(path, out)]
    loose = [visible_text(path.name) for path in visible if not (path.is_dir() or is_clip(path))]
    if not scenes:
        raise InputError(
            f"{folder} holds no scenes, which are folders or clips in it: for the photos of one "
            "scene, use glance3d reconstruct"
        )
    entries = []
    for path in scenes:
        where = f"in {folder}: {visible_text(path.name)}"
        name = path.stem if is_clip(path) and not path.is_dir() else path.name
        entries.append(Entry(check_name(name, where), (str(path),), where))
    notes = () if not loose else (_note_of_loose(loose, folder),)
    return ManifestContent(tuple(entries), folder, notes)


def _note_of_loose(names: Sequence[str], folder: Path) -> str:
    verb = "file is" if len(names) == 1 else "files are"
    return (
        f"{len(names)} {verb} directly in {folder} and of no scene, which are folders and clips: "
        f"{first_names(names)}"
    )


def _is(path: Path, other: Path | None) -> bool:
    return other is not None and path.resolve() == other.resolve()


def _of_lines(path: Path) -> ManifestContent:
    text = read_text(path, error=InputError, limit=MANIFEST_LIMIT)
    folder = path.parent
    lines = enumerate(text.split("\n"), start=1)
    entries = [
        _entry(line, f"line {number} of {path}", folder) for number, line in lines if line.strip()
    ]
    return ManifestContent(tuple(entries), folder)


def _entry(line: str, where: str, folder: Path) -> Entry:
    if len(line) > LINE_LIMIT:
        raise InputError(f"{where} is longer than {LINE_LIMIT // 1024**2} MB")
    record = parse_json_object(line, where, error=InputError)
    refuse_odd_numbers(record, where, error=InputError)
    unknown = [key for key in record if key not in _KEYS]
    if unknown:
        raise InputError(
            f"{where} holds the unknown key '{visible_text(unknown[0])}': choose from "
            f"{', '.join(_KEYS)}"
        )
    name, options = record.get("name"), record.get("options", {})
    if not isinstance(name, str):
        raise InputError(f'{where} must hold "name", a text, got {_kind(name)}')
    if not isinstance(options, dict):
        raise InputError(f'"options" in {where} must be an object, got {_kind(options)}')
    sources = tuple(_absolute(one, folder) for one in _photos(record.get("photos"), where))
    return Entry(check_name(name, f"the name in {where}"), sources, where, options)


def _photos(value: Any, where: str) -> list[str]:
    photos = [value] if isinstance(value, str) else value
    is_list = isinstance(photos, list) and bool(photos)
    if not is_list or not all(isinstance(one, str) and one and "\0" not in one for one in photos):
        raise InputError(
            f'{where} must hold "photos", a folder, file or glob or a list of these, got '
            f"{_kind(value)}"
        )
    if len(photos) > MOST_PHOTOS:
        raise InputError(f"{where} lists {len(photos)} photos: give their folder instead")
    return photos


def _absolute(text: str, folder: Path) -> str:
    return str(folder.absolute() / Path(text).expanduser())


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return "a list with other things than texts" if value else "an empty list"
    return f"a {type(value).__name__}"
