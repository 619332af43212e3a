"""Where photos and clips come from: a folder, files or a glob pattern, as a list of paths.

The order matters, because the first photo is the reference view: folders and globs are sorted
naturally (``img2`` before ``img10``), lists keep the order they came in.
"""

import glob
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from glance3d.errors import ImageError
from glance3d.images.clips.frame_paths import CLIP_SUFFIXES, file_of, is_clip, shown_path
from glance3d.images.file_kinds import READABLE_SUFFIXES
from glance3d.name_keys import name_key

PathLike = str | os.PathLike[str]

_READABLE = f"Readable: {', '.join(READABLE_SUFFIXES)}; and clips: {', '.join(CLIP_SUFFIXES)}"
# A phone's "live photo" has a clip of a second or two beside it.
_LIVE_PHOTOS = (".heic", ".heif", ".jpeg", ".jpg")
# Control characters, what Windows forbids in a file name, and bytes that are no valid text.
_UNSAFE = re.compile('[\x00-\x1f\x7f<>:"/\\\\|?*\ud800-\udfff]')


def resolve_sources(sources: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """The photos and clips that ``sources`` names, in order, each file once.

    A folder gives the images and clips directly in it, a glob pattern (``**`` descends) those it
    matches, both naturally sorted and without hidden files and the clips of live photos. A file
    that is named outright is kept whatever it is called: whether it is a photo, decoding will tell.
    A single frame of a clip is ``clip.mp4#t=SECONDS``. A path that exists is never read as a
    pattern.

    Raises:
        ImageError: a path does not exist, or a folder or pattern holds no images.
    """
    entries = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    if not entries:
        raise ImageError("no photos were given: name a folder, image files or a glob pattern")
    _refuse_missing(entries)
    # Two spellings or links of one file are one photo: twice the same view teaches nothing.
    first: dict[Path, Path] = {}
    for entry in entries:
        for path in _expand(entry):
            first.setdefault(path.resolve(), path)
    return tuple(first.values())


def natural_key(path: Path) -> tuple[tuple[tuple[str | int, ...], str], ...]:
    """Sorts paths folder by folder, numbers by value, without regard to case."""
    return tuple((_natural_parts(part), part) for part in path.parts)


def unique_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """A plain file name for each photo, under which results speak of it.

    It is the photo's own base name where possible. The names differ in their *stems* (and not by
    case alone), so that ``depth/<stem>.png`` never overwrites another photo's result. Photos that
    clash are told apart by their folders (``left_001.jpg``), in one folder by their suffix
    (``a_jpg.jpg``, ``a_png.png``), and if all else fails by a number.
    """
    paths = [shown_path(path) for path in paths]
    groups: dict[str, list[int]] = defaultdict(list)
    for index, path in enumerate(paths):
        groups[_stem_key(_safe(path.name))].append(index)
    names = [_safe(path.name) for path in paths]
    for group in (group for group in groups.values() if len(group) > 1):
        for index, name in zip(group, _told_apart([paths[i] for i in group]), strict=True):
            names[index] = name
    alone = {group[0] for group in groups.values() if len(group) == 1}
    return _numbered(names, keep_first=alone)


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


def _expand(entry: PathLike) -> list[Path]:
    path = _as_path(entry)
    if path.is_dir():
        return _images_among(_files_in(path), f"no images in {os.fspath(entry).rstrip('/')}/", path)
    if file_of(path).exists():
        return [path]
    # Path.glob takes no absolute patterns, and matches hidden files.
    matches = (Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207
    return _images_among((m for m in matches if m.is_file()), f"no images match {str(entry)!r}")


def _files_in(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise ImageError(f"the folder {folder} cannot be read: {error.strerror}") from error


def _images_among(files: Iterable[Path], complaint: str, folder: Path | None = None) -> list[Path]:
    visible = [path for path in files if not path.name.startswith(".")]
    photos = [path for path in visible if path.suffix.lower() in READABLE_SUFFIXES]
    images = photos + _without_live_photos([path for path in visible if is_clip(path)], photos)
    if not images:
        hint = _images_below(folder) if folder else ""
        raise ImageError(f"{complaint} ({_count_suffixes(visible)}{hint}). {_READABLE}")
    return sorted(images, key=natural_key)


def _without_live_photos(clips: Sequence[Path], photos: Sequence[Path]) -> list[Path]:
    live = {path.with_suffix("") for path in photos if path.suffix.lower() in _LIVE_PHOTOS}
    return [p for p in clips if p.suffix.lower() != ".mov" or p.with_suffix("") not in live]


def _count_suffixes(files: Sequence[Path]) -> str:
    if not files:
        return "found no files"
    counts = Counter(path.suffix.lower() or "no suffix" for path in files)
    kinds = ", ".join(suffix for suffix, _ in counts.most_common(5))
    return f"found {len(files)} file{'s' if len(files) > 1 else ''}: {kinds}"


def _images_below(folder: Path) -> str:
    for below in sorted((path for path in folder.iterdir() if path.is_dir()), key=natural_key):
        if any(p.suffix.lower() in READABLE_SUFFIXES or is_clip(p) for p in _files_in(below)):
            return f"; there are images in {below}/"
    return ""


def _natural_parts(text: str) -> tuple[str | int, ...]:
    # Text and numbers alternate, beginning with text, so that two keys always compare.
    return tuple(
        int(part) if index % 2 else part
        for index, part in enumerate(re.split(r"(\d+)", text.casefold()))
    )


def _safe(name: str) -> str:
    # No system keeps a trailing dot for sure, and "a." would have no suffix but a dot in its stem.
    return _UNSAFE.sub("_", name).strip(" ").rstrip(". ") or "_"


def _stem_key(name: str) -> str:
    return name_key(Path(name).stem)


def _with_folders(path: Path, count: int) -> str:
    # Not resolve(): the folders as the person named them, links not followed.
    folders = Path(os.path.abspath(path)).parent.parts[1:]  # noqa: PTH100
    return _safe("_".join([*folders[max(0, len(folders) - count) :], path.name]))


def _with_suffix(name: str) -> str:
    path = Path(name)
    return f"{path.stem}_{path.suffix[1:].lower() or 'photo'}{path.suffix}"


# Tried in this order until a group of clashing photos is told apart.
_TELL_APART: tuple[Callable[[Path], str], ...] = (
    lambda path: _with_folders(path, 1),
    lambda path: _with_folders(path, 2),
    lambda path: _with_folders(path, 3),
    lambda path: _with_suffix(_safe(path.name)),
    lambda path: _with_suffix(_with_folders(path, 1)),
    lambda path: _with_suffix(_with_folders(path, 2)),
    lambda path: _with_suffix(_with_folders(path, 3)),
)


def _told_apart(group: Sequence[Path]) -> list[str]:
    for rename in _TELL_APART:
        names = [rename(path) for path in group]
        if len({_stem_key(name) for name in names}) == len(names):
            return names
    return [_safe(path.name) for path in group]


def _numbered(names: Sequence[str], keep_first: set[int]) -> tuple[str, ...]:
    """The names, with ``_2``, ``_3`` ... where a stem is taken; ``keep_first`` choose first."""
    taken: set[str] = set()
    chosen = list(names)
    for index in sorted(range(len(names)), key=lambda i: (i not in keep_first, i)):
        name, number = Path(names[index]), 2
        while _stem_key(chosen[index]) in taken:
            chosen[index] = f"{name.stem}_{number}{name.suffix}"
            number += 1
        taken.add(_stem_key(chosen[index]))
    return tuple(chosen)
