"""Moving a whole result into place, so that a stop at any moment leaves the old one or the new.

All new files are whole in the staging folder. The manifest is replaced by one that names what is
going to be moved and removed; from then on the result is the new one, and whoever opens the folder
next finishes what is left to do. Before, it is the old one.
"""

import errno
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from glance3d.errors import OutputError
from glance3d.files.atomic import atomic_file, flush_to_disk, remove_whole
from glance3d.results.fingerprint import Fingerprint
from glance3d.results.guard import Claims
from glance3d.results.manifest import Files, Manifest, Move, write_manifest
from glance3d.results.staging import Staging

IsStill = Callable[[str, Fingerprint], bool]
_NUM_THREADS = 4


@dataclass(frozen=True)
class Committed:
    """What the folder's manifest is now, and what became of an earlier result's files."""

    manifest: Manifest
    removed: tuple[str, ...]
    remaining: tuple[str, ...]


def commit(
    staging: Staging, before: Files, claims: Claims, *, complete: bool, overwrite: bool
) -> Committed:
    """Move all that was staged into place.

    With ``complete`` the files are the whole result: what ``before`` names besides is removed if it
    is unchanged, else left. Otherwise they join the earlier ones.

    Raises:
        OutputError: somebody else's file has come in the way meanwhile; nothing is moved then.
    """
    guard, root = staging.guard, staging.root
    new = _fingerprints(staging)
    placed = Claims(files=tuple(new))
    guard.refuse(placed, overwrite=overwrite)
    over = [path for path in (*placed.files, *claims.absent) if (root / path).is_file()]
    replaces = {path: before.get(path) or Fingerprint.of(root / path) for path in over}
    if overwrite:  # by now a file of ours may be somebody else's
        replaces |= {path: Fingerprint.of(root / path) for path in over if not guard.owns(path)}
    rest = {path: mark for path, mark in before.items() if path not in new}
    kept = {
        path: _grown(root / path, mark)
        for path, mark in rest.items()
        if path in staging.kept or not (complete or path in claims.absent)
    }
    old = {path: mark for path, mark in rest.items() if path not in kept}
    removes = {path: mark for path, mark in old.items() if guard.is_still(path, mark)}
    if overwrite:
        removes |= {path: mark for path, mark in replaces.items() if path not in new}
    move = Move(staging.folder.name, tuple(new), {**kept, **new}, replaces, removes)
    write_manifest(root, Manifest(before, move))
    try:
        manifest = finish_move(root, move, guard.is_still)
    except (OSError, OutputError):
        raise
    except BaseException:  # Ctrl-C: what is left to do takes a moment
        finish_move(root, move, guard.is_still)
        raise
    remaining = [path for path in old if path not in removes and os.path.lexists(root / path)]
    return Committed(manifest, tuple(path for path in removes if path in old), tuple(remaining))


def finish_move(root: Path, move: Move, is_still: IsStill | None = None) -> Manifest:
    """Do what is left to do of a move; the folder's manifest is complete afterwards.

    Raises:
        OutputError: a file to be moved is gone, or somebody else's stands at its place.
        OSError: the file system refuses.
    """
    is_still = is_still or (lambda path, mark: mark.matches(root / path))
    staging = root / move.staging
    # A manifest may come from anywhere: what it says must not reach beyond its folder.
    for path in (*move.moves, *move.removes):
        if _is_linked(root, path) or _is_linked(root, f"{move.staging}/{path}"):
            raise OutputError(f"{path} stands behind a link")
    for path in move.moves:
        _place(staging / path, root / path, path, move, is_still)
    for folder in {(root / path).parent for path in move.moves}:
        flush_to_disk(folder)
    for path, mark in move.removes.items():
        if is_still(path, mark):
            (root / path).unlink()
            _remove_empty((root / path).parent, root)
    manifest = Manifest(move.files)
    write_manifest(root, manifest)
    remove_whole(staging)
    return manifest


def _is_linked(root: Path, path: str) -> bool:
    """Whether one of the folders on the way from ``root`` to ``path`` is a link."""
    parents = list(PurePosixPath(path).parents)[:-1]
    return any((root / parent).is_symlink() for parent in parents)


def _place(staged: Path, target: Path, path: str, move: Move, is_still: IsStill) -> None:
    """Move one file, unless that was done before."""
    if not staged.exists():
        if is_still(path, move.files[path]):
            return
        raise OutputError(f"{path} is neither at its place nor in {move.staging}/ any more")
    if os.path.lexists(target):
        known = (move.replaces.get(path), move.files[path])
        if not any(mark is not None and is_still(path, mark) for mark in known):
            raise OutputError(f"somebody else's {path} stands at its place by now")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(staged, target)  # noqa: PTH105
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic_file(target) as temporary:  # that subfolder is on another disk
            shutil.copyfile(staged, temporary)
            flush_to_disk(temporary)
        staged.unlink()


def _grown(path: Path, mark: Fingerprint) -> Fingerprint:
    """The fingerprint of a log as long as it is now; any other stays what it was."""
    if mark.part == "start" and mark.matches(path):
        return Fingerprint.of(path, "start")
    return mark


def _remove_empty(folder: Path, root: Path) -> None:
    with suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent


def _fingerprints(staging: Staging) -> dict[str, Fingerprint]:
    """Of every staged file, which is on the disk for good afterwards."""
    folder = staging.folder
    paths = sorted(
        (Path(top) / name).relative_to(folder).as_posix()
        for top, _, names in os.walk(folder)
        for name in names
    )

    def fingerprint(path: str) -> Fingerprint:
        flush_to_disk(folder / path)
        return Fingerprint.of(folder / path, staging.parts.get(path, "all"))

    with ThreadPoolExecutor(_NUM_THREADS) as pool:  # hashing and waiting leave Python's lock
        marks = dict(zip(paths, pool.map(fingerprint, paths), strict=True))
    for top, *_ in os.walk(folder):
        flush_to_disk(Path(top))
    return marks
