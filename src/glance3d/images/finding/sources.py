"""Resolve a folder, files or a glob pattern to a list of photos and clips.

The order matters, because the first photo is the reference view: folders and globs are sorted
naturally (``img2`` before ``img10``), lists keep their order.
"""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glance3d.errors import ImageError
from glance3d.images.clips.frame_paths import CLIP_SUFFIXES, file_of, is_clip
from glance3d.images.files.file_kinds import READABLE_SUFFIXES
from glance3d.images.finding.inputs import choose_inputs, notes_of_copies
from glance3d.images.finding.own_results import is_folder_of_copies, is_own
from glance3d.results import settle
from glance3d.text import counted, names_and_count
from glance3d.types import SkippedPhoto

PathLike = str | os.PathLike[str]

_SHOWN = 5
_READABLE = f"Readable: {', '.join(READABLE_SUFFIXES)}; and clips: {', '.join(CLIP_SUFFIXES)}"


@dataclass(frozen=True)
class FoundSources:
    """The photos and clips that were named, in order, and what was left out.

    ``skipped`` look like inputs and are none that can be used, or are links to one that is.
    ``notes`` are sentences for a person.
    """

    paths: tuple[Path, ...]
    skipped: tuple[SkippedPhoto, ...] = ()
    notes: tuple[str, ...] = ()


def resolve_sources(sources: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """The paths of :func:`find_sources`; raises as that does."""
    return find_sources(sources).paths


def find_sources(
    sources: PathLike | Sequence[PathLike], *, apart: PathLike | None = None
) -> FoundSources:
    """The photos and clips that ``sources`` names, in order, each file once.

    A folder gives the images and clips directly in it, a glob pattern (``**`` descends) those it
    matches, both naturally sorted and without hidden files, the clips of live photos, and results
    of Glance3D. A file that is named outright is kept whatever it is called:
    whether it is a photo, decoding will tell. A single frame of a clip is ``clip.mp4#t=SECONDS``. A
    path that exists is never read as a pattern. The folder ``apart`` (of masks) is known to hold no
    photos.

    Raises:
        ImageError: a path does not exist, or a folder or pattern holds no images.
    """
    entries = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    if not entries:
        raise ImageError("no photos were given: name a folder, image files or a glob pattern")
    for entry in entries:
        settle(file_of(_as_path(entry)))
    _refuse_missing(entries)
    parts = [_expand(entry, apart) for entry in entries]
    parts = _without_own_results_among_photos(parts)
    skipped = [photo for part in parts for photo in part.skipped]
    # Two spellings or links of one file are one photo: the same view twice adds no information.
    first: dict[Path, Path] = {}
    for path in (path for part in parts for path in part.paths):
        before = first.setdefault(path.resolve(), path)
        if before.absolute() != path.absolute():
            skipped.append(
                SkippedPhoto(str(path.absolute()), f"{path.name} is the same file as {before.name}")
            )
    paths = tuple(first.values())
    notes = [note for part in parts for note in part.notes]
    return FoundSources(
        paths,
        tuple({photo.source: photo for photo in skipped}.values()),
        tuple(dict.fromkeys([*notes, *notes_of_copies(paths)])),
    )


def natural_key(path: Path) -> tuple[tuple[tuple[str | int, ...], str], ...]:
    """Sorts paths folder by folder, numbers by value, without regard to case."""
    return tuple((_natural_parts(part), part) for part in path.parts)


def _refuse_missing(entries: Sequence[PathLike]) -> None:
    missing = [
        os.fspath(entry)
        for entry in entries
        if not os.fspath(entry)
        or not (file_of(_as_path(entry)).exists() or glob.has_magic(os.fspath(entry)))
    ]
    if missing:
        named = ", ".join(repr(name) for name in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        verb = "does" if len(missing) == 1 else "do"
        raise ImageError(
            f"{named}{more} {verb} not exist (looked from {Path.cwd()}): "
            f"name a folder, image files or a glob pattern"
        )


def _as_path(entry: PathLike) -> Path:
    return Path(entry).expanduser()


@dataclass(frozen=True)
class _Part:
    """What one entry gave; ``is_search``, if it was found in a folder or by a pattern."""

    paths: tuple[Path, ...]
    skipped: tuple[SkippedPhoto, ...] = ()
    notes: tuple[str, ...] = ()
    is_search: bool = True


def _expand(entry: PathLike, apart: PathLike | None) -> _Part:
    path = _as_path(entry)
    if path.is_dir():
        complaint = f"no images in {os.fspath(entry).rstrip('/')}/"
        part = _images_among(_files_in(path), complaint, path)
        return replace(part, notes=(*part.notes, *_notes_of_folders_in(path, apart)))
    if file_of(path).exists():
        return _Part((path,), is_search=False)
    # Path.glob takes no absolute patterns, and matches hidden files.
    matches = (Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207
    return _images_among((m for m in matches if not m.is_dir()), f"no images match {str(entry)!r}")


def _files_in(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.is_dir()]
    except OSError as error:
        raise ImageError(f"the folder {folder} cannot be read: {error.strerror}") from error


def _images_among(files: Iterable[Path], complaint: str, folder: Path | None = None) -> _Part:
    visible = sorted((p for p in files if not p.name.startswith(".")), key=natural_key)
    is_copies = folder is not None and is_folder_of_copies(folder)
    own = set() if is_copies else {path for path in visible if is_own(path)}
    chosen = choose_inputs([path for path in visible if path not in own])
    if not chosen.paths:
        hint = _images_below(folder) if folder else ""
        hint += f"; {len(own)} of them are results of Glance3D, which are no photos" if own else ""
        reasons = "".join(f". {photo.reason}" for photo in chosen.skipped[:_SHOWN])
        raise ImageError(f"{complaint} ({_count_suffixes(visible)}{hint}){reasons}. {_READABLE}")
    return _Part(chosen.paths, chosen.skipped, _notes_of_results(own, folder, is_copies))


def _notes_of_results(own: set[Path], folder: Path | None, is_copies: bool) -> tuple[str, ...]:
    if is_copies:
        return (f"the photos in {folder}/ are the upright copies of a scene, taken for its photos",)
    images = [path for path in own if path.suffix.lower() in READABLE_SUFFIXES or is_clip(path)]
    if not images:
        return ()
    where = ", ".join(f"{parent}/" for parent in sorted({str(path.parent) for path in images}))
    verb = "files are results" if len(images) > 1 else "file is a result"
    return (f"{len(images)} {verb} of Glance3D and no photos, so they were left out: {where}",)


def _without_own_results_among_photos(parts: Sequence[_Part]) -> list[_Part]:
    """Files that were named outright are taken for photos, but results only where nothing else is.

    A shell that expands a pattern names them, too.
    """
    named = {path for part in parts if not part.is_search for path in part.paths}
    own = {path for path in named if is_own(path)}
    if not own:
        return list(parts)
    if len(own) == len(named) and not any(part.is_search for part in parts):
        note = f"{len(own)} of the photos named are results of Glance3D"
        return [replace(parts[0], notes=(note,)), *parts[1:]]
    notes = _notes_of_results(own, None, is_copies=False)
    remaining = [replace(p, paths=tuple(x for x in p.paths if x not in own)) for p in parts]
    return [replace(remaining[0], notes=(*remaining[0].notes, *notes)), *remaining[1:]]


def _notes_of_folders_in(folder: Path, apart: PathLike | None) -> tuple[str, ...]:
    """Folders below that hold images and were not looked into."""
    known = None if apart is None else _as_path(apart).resolve()
    notes = []
    for below in sorted((path for path in folder.iterdir() if path.is_dir()), key=natural_key):
        if below.name.startswith(".") or below.resolve() == known:
            continue
        images = [p for p in _files_below(below) if _is_image(p) and not is_own(p)]
        if images:
            notes.append(
                f"the folder {below.name}/ within {folder.name}/ was not looked into "
                f"({len(images)} images): name it as well if it holds photos"
            )
    return tuple(notes)


def _files_below(folder: Path) -> list[Path]:
    try:
        return _files_in(folder)
    except ImageError:
        return []


def _is_image(path: Path) -> bool:
    is_hidden = path.name.startswith(".")
    return not is_hidden and (path.suffix.lower() in READABLE_SUFFIXES or is_clip(path))


def _count_suffixes(files: Sequence[Path]) -> str:
    if not files:
        return "found no files"
    counts = Counter(path.suffix.lower() or "no suffix" for path in files)
    kinds = ", ".join(suffix for suffix, _ in counts.most_common(5))
    return f"found {counted(len(files), 'file')}: {kinds}"


def _images_below(folder: Path) -> str:
    folders = sorted((path for path in folder.iterdir() if path.is_dir()), key=natural_key)
    below = [f"{path}/" for path in folders if any(map(_is_image, _files_below(path)))]
    return f"; there are images in {names_and_count(below, _SHOWN)}" if below else ""


def _natural_parts(text: str) -> tuple[str | int, ...]:
    # Text and numbers alternate, beginning with text, so that two keys always compare.
    return tuple(
        int(part) if index % 2 else part
        for index, part in enumerate(re.split(r"(\d+)", text.casefold()))
    )
