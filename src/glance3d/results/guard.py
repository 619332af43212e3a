"""The guard: finds files that a run would overwrite, or mix with, and that are not ours."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from glance3d.errors import OutputError
from glance3d.results.fingerprint import Fingerprint
from glance3d.results.manifest import Files
from glance3d.text import names_and_count, visible_text

# What file managers leave in any folder.
_DROPPINGS = ("desktop.ini", "Thumbs.db")
_MAX_SHOWN = 4
_LONGEST_NAME = 255  # bytes, where the file system does not say


@dataclass(frozen=True)
class Claims:
    """What a run is going to write in a folder: paths relative to it, with ``/``.

    ``folders`` are results as a whole, in which nobody else's file may stand. ``absent`` are files
    that would change what a reader makes of the others, if they are not written as well: ours are
    removed, and somebody else's when they may be overwritten.
    """

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __add__(self, other: "Claims") -> "Claims":
        return Claims(
            self.files + other.files, self.folders + other.folders, self.absent + other.absent
        )


class Guard:
    """Knows what in a folder is ours: what ``files`` names and nobody has changed since."""

    def __init__(self, root: Path, files: Files) -> None:
        self.root = root
        self.files = files
        self._seen: dict[str, tuple[int, ...]] = {}

    def owns(self, path: str) -> bool:
        """Whether the file at this place is ours. What was hashed once is not hashed again."""
        known = self.files.get(path)
        return known is not None and self.is_still(path, known)

    def is_still(self, path: str, fingerprint: Fingerprint) -> bool:
        """Whether the file at this place is the one with this fingerprint."""
        try:
            status = (self.root / path).lstat()
        except OSError:
            return False
        seen = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        key = f"{fingerprint.sha256}/{path}"
        if self._seen.get(key) != seen:
            if not fingerprint.matches(self.root / path):
                return False
            self._seen[key] = seen
        return True

    def foreign(self, claims: Claims) -> list[str]:
        """Everything in the way of ``claims`` that is not ours."""
        standing = [path for path in (*claims.files, *claims.absent) if self._stands(path)]
        standing += [path for folder in claims.folders for path in self._files_in(folder)]
        return [path for path in dict.fromkeys(standing) if not self.owns(path)]

    def refuse(self, claims: Claims, *, overwrite: bool) -> None:
        """Refuse claims that somebody else's files stand against, or that cannot be written.

        Raises:
            OutputError: with the first names, and what to do.
        """
        self._refuse_names(claims)
        self._refuse_places(claims)
        foreign = self.foreign(claims)
        if foreign and not overwrite:
            raise OutputError(
                f"{self.root} holds {self._described(foreign)}: choose another folder, or allow "
                "to replace it with --overwrite (overwrite=True)"
            )

    def _described(self, foreign: list[str]) -> str:
        changed = [path for path in foreign if path in self.files]
        others = [path for path in foreign if path not in self.files]
        parts = [
            *([f"{shortened(others)}, not written by Glance3D"] if others else []),
            *([f"{shortened(changed)}, changed since Glance3D wrote it"] if changed else []),
        ]
        return "; and ".join(parts)

    def _stands(self, path: str) -> bool:
        return os.path.lexists(self.root / path)

    def _files_in(self, folder: str) -> Iterator[str]:
        top = self.root / folder
        if os.path.lexists(top) and not top.is_dir():
            yield folder
        for path, folders, names in os.walk(top):
            links = [name for name in folders if (Path(path) / name).is_symlink()]
            for name in (*links, *names):
                if not name.startswith(".") and name not in _DROPPINGS:
                    yield (Path(path) / name).relative_to(self.root).as_posix()

    def _refuse_places(self, claims: Claims) -> None:
        """Refuse what no leave to overwrite can help.

        A folder that is a link may lead to somebody's photos: nothing is written through links.
        """
        parents = [PurePosixPath(path) for path in claims.folders]
        for path in claims.files:
            parents += list(PurePosixPath(path).parents)[:-1]
            if (self.root / path).is_symlink():
                raise self._is_link(path)
            if (self.root / path).is_dir():
                raise OutputError(
                    f"{self.root / path} is a folder, and a file of that name is to be written: "
                    "choose another folder"
                )
        for parent in dict.fromkeys(parents):
            if (self.root / parent).is_symlink():
                raise self._is_link(parent)
            if (self.root / parent).exists() and not (self.root / parent).is_dir():
                raise OutputError(
                    f"{self.root / parent} is a file, and a folder of that name is needed: choose "
                    "another folder"
                )

    def _is_link(self, path: str | PurePosixPath) -> OutputError:
        return OutputError(
            f"{self.root / path} is a link, and results are not written through links: remove it, "
            "or choose another folder"
        )

    def _refuse_names(self, claims: Claims) -> None:
        longest = _longest_name(self.root)
        for path in claims.files:
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise OutputError(
                    f"everything must be written inside of {self.root}, got {visible_text(path)}: "
                    "give it a name that is no path"
                )
            for part in PurePosixPath(path).parts:
                if len(os.fsencode(part)) > longest:
                    raise OutputError(
                        f"the name {part} has {len(os.fsencode(part))} bytes, and the file system "
                        f"of {self.root} takes {longest}: choose another folder or a shorter name"
                    )


def shortened(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    return names_and_count(list(names), _MAX_SHOWN)


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return _LONGEST_NAME
