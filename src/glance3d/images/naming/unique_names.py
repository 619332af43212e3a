"""A plain, unique file name for every photo, used in all results."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from glance3d.files.name_keys import name_key
from glance3d.images.clips.frame_paths import shown_path

# Control characters, what Windows forbids in a file name, and bytes that are no valid text.
_UNSAFE = re.compile('[\x00-\x1f\x7f<>:"/\\\\|?*\ud800-\udfff]')


def unique_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """A plain file name for each photo, by which results name it.

    It is the photo's own base name where possible. The names differ in their *stems* (and not by
    case alone), so that ``depth/<stem>.png`` never overwrites another photo's result. Photos that
    clash get the names of their folders (``left_001.jpg``), in one folder their suffix
    (``a_jpg.jpg``, ``a_png.png``), and if all else fails a number.
    """
    paths = [shown_path(path) for path in paths]
    groups: dict[str, list[int]] = defaultdict(list)
    for index, path in enumerate(paths):
        groups[_stem_key(_safe(path.name))].append(index)
    names = [_safe(path.name) for path in paths]
    for group in (group for group in groups.values() if len(group) > 1):
        for index, name in zip(group, _distinct_names([paths[i] for i in group]), strict=True):
            names[index] = name
    alone = {group[0] for group in groups.values() if len(group) == 1}
    return _numbered(names, keep_first=alone)


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


# Tried in this order until all names of a group of clashing photos differ.
_RENAMINGS: tuple[Callable[[Path], str], ...] = (
    lambda path: _with_folders(path, 1),
    lambda path: _with_folders(path, 2),
    lambda path: _with_folders(path, 3),
    lambda path: _with_suffix(_safe(path.name)),
    lambda path: _with_suffix(_with_folders(path, 1)),
    lambda path: _with_suffix(_with_folders(path, 2)),
    lambda path: _with_suffix(_with_folders(path, 3)),
)


def _distinct_names(group: Sequence[Path]) -> list[str]:
    for rename in _RENAMINGS:
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
