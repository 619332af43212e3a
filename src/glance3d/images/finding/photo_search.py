"""Find the file of a view's photo, for every command and export.

A file counts as the photo if its content (size and SHA-256) is the one that was reconstructed, or
that of the scene's own upright copy. A saved scene may come from an untrusted source: a path that
it names is not even opened unless the scene states the content, so that no export copies private
files.
"""

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from glance3d.errors import ImageError, InputError
from glance3d.images.clips import file_of, split_frame
from glance3d.images.decoding.decode import read_header
from glance3d.images.finding.content import content_of
from glance3d.images.naming.file_names import photo_file_names
from glance3d.text import counted, first_names
from glance3d.types import PhotoContent, Reconstruction

MatchBy = Literal["content", "name"]
COPIES_FOLDERS = ("images", "images_upright")
_WHAT_TO_DO = "put it back, or name the folder that holds it (--photos, glance3d.with_photos)"

logger = logging.getLogger(__name__)


def find_photo(scene: Reconstruction, view: int, folder: str | Path | None = None) -> Path:
    """The file that is a view's photo: its source, or an upright copy of the scene's own.

    ``folder`` may hold copies besides those that a saved scene has beside it. A scene that was made
    in this process without contents is taken at its word; a saved one from before contents were
    known has its own copies alone, unverified.

    Raises:
        ImageError: there is none; the message names what stands there instead.
    """
    source, known = Path(scene.sources[view]), content_of_view(scene, view)
    reasons = []
    if known is None and scene.home is not None:
        reasons.append(f"the scene does not say what was in {source}, which is therefore not read")
    elif known is not None and scene.home is not None and _is_remote(source):
        reasons.append(f"{source} is on another machine, which is not asked")
    elif not _is_file(source):
        reasons.append(f"it is not at {source}")
    elif known is None or has_content(source, known):
        return source
    else:
        reasons.append(f"{source} is not the photo that was reconstructed (other content)")
    for number, copy in enumerate(_copies(scene, view, folder)):
        if not _is_file(copy):
            # One place is enough to say where copies are looked for.
            reasons += [f"not at {copy}"] if number == 0 else []
        elif _is_own_copy(scene, view, copy, folder):
            return copy
        else:
            reasons.append(f"{copy} is not this scene's copy of it (other content)")
    raise ImageError(
        f"the photo {scene.names[view]} cannot be used: {', '.join(reasons)}: {_WHAT_TO_DO}"
    )


def content_of_view(scene: Reconstruction, view: int) -> PhotoContent | None:
    """What was in a view's file, if that is known."""
    return scene.contents[view] if scene.contents else None


def has_content(path: Path, content: PhotoContent) -> bool:
    """Whether a file (or the clip of a frame) is the one; its size is asked first."""
    try:
        return file_of(path).stat().st_size == content.size and content_of(path) == content
    except (OSError, ValueError, ImageError):
        return False


def with_photos(
    scene: Reconstruction, folder: str | Path, by: MatchBy = "content"
) -> Reconstruction:
    """Search a folder for the photos of a scene that were moved or renamed.

    Args:
        scene: A scene, whose photos may have moved.
        folder: Where to search, subfolders included.
        by: ``"content"`` takes the file with the same bytes as the photo that was reconstructed,
            whatever its name. ``"name"`` takes the file of the same name and size in pixels, and
            warns of files whose content differs or is not known.

    Returns:
        The scene with the new paths in ``sources``; photos that are not in the folder keep theirs.

    Raises:
        InputError: no such folder.
        ImageError: none of the photos is there.
    """
    if by not in ("content", "name"):
        raise InputError(f"photos are found by 'content' or by 'name', got {by!r}")
    root = Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise InputError(f"there is no folder {root} with photos")
    files = list(_files_below(root))
    places = _by_content(scene, files) if by == "content" else _by_name(scene, files)
    lost = [name for view, name in enumerate(scene.names) if view not in places]
    if not places:
        hint = ", or say that names are enough (by name)" if by == "content" else ""
        raise ImageError(
            f"none of {counted(scene.num_views, 'photo')} is in {root} by {by}: name the folder "
            f"that holds them{hint}"
        )
    if lost:
        number = counted(len(lost), "photo")
        logger.warning("warning: %s not in %s: %s", number, root, first_names(lost))
    views = range(scene.num_views)
    return replace(
        scene,
        sources=tuple(str(places.get(view, scene.sources[view])) for view in views),
        contents=tuple(
            content_of(places[view]) if view in places else content_of_view(scene, view)
            for view in views
        ),
    )


def _by_content(scene: Reconstruction, files: list[Path]) -> dict[int, Path]:
    sizes: dict[int, list[Path]] = {}
    for path in files:
        sizes.setdefault(path.stat().st_size, []).append(path)
    places = {}
    for view in range(scene.num_views):
        known = content_of_view(scene, view)
        candidates = sizes.get(known.size, []) if known is not None else []
        path = next((p for p in candidates if known and has_content(p, known)), None)
        if path is not None:
            places[view] = _as_frame(path, scene.sources[view])
    return places


def _by_name(scene: Reconstruction, files: list[Path]) -> dict[int, Path]:
    named: dict[str, list[Path]] = {}
    for path in files:
        named.setdefault(path.name.casefold(), []).append(path)
    places, unverified = {}, []
    for view, name in enumerate(scene.names):
        source = re.split(r"[\\/]", scene.sources[view])[-1]
        names = dict.fromkeys((file_of(Path(source)).name.casefold(), name.casefold()))
        for path in (path for key in names for path in named.get(key, [])):
            place = _as_frame(path, source)
            if _has_size(place, scene.placements[view].original_size):
                places[view] = place
                known = content_of_view(scene, view)
                unverified += [] if known and has_content(place, known) else [name]
                break
    if unverified:
        logger.warning(
            "warning: %d photos are taken by their names and sizes alone, their content was "
            "another or is not known: %s",
            len(unverified),
            first_names(unverified),
        )
    return places


def _as_frame(path: Path, source: str) -> Path:
    """The frame of a clip that a source was of; a photo as it is."""
    if split_frame(Path(source)) is None:
        return path
    return path.with_name(f"{path.name}#t={source.rpartition('#t=')[2]}")


def _copies(scene: Reconstruction, view: int, folder: str | Path | None) -> Iterator[Path]:
    """Where an upright copy may be."""
    name = photo_file_names(scene)[view]
    if folder is not None:
        yield Path(folder).absolute() / name
    if scene.home is not None:
        for below in COPIES_FOLDERS:
            copy = scene.home / below / name
            if folder is None or copy.parent != Path(folder).absolute():
                yield copy


def _is_own_copy(scene: Reconstruction, view: int, copy: Path, folder: str | Path | None) -> bool:
    """By content; where the scene knows of none at all, by where it is, and its size in pixels."""
    contents = (content_of_view(scene, view), scene.copies[view] if scene.copies else None)
    known = [content for content in contents if content is not None]
    if known or scene.contents or scene.copies:
        return any(has_content(copy, content) for content in known)
    # A link would lead out of the scene's folder to anything.
    home = scene.home if folder is None or scene.home is not None else Path(folder)
    if home is None or not copy.resolve().is_relative_to(home.resolve()):
        return False
    return _has_size(copy, scene.placements[view].original_size)


def _has_size(path: Path, size: tuple[int, int]) -> bool:
    try:
        return read_header(path).size == size
    except ImageError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return file_of(path).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _is_remote(path: Path) -> bool:
    """Whether Windows would ask another machine, with the user's name and password's hash."""
    return os.name == "nt" and str(path).startswith(("\\\\", "//"))


def _files_below(root: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(root):
        below.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if not name.startswith(".") and path.is_file():
                yield path
