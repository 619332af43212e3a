"""The scenes of a batch, and which names a scene can have."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glance3d.errors import InputError
from glance3d.files.name_keys import name_key
from glance3d.text import is_hidden, visible_text

if TYPE_CHECKING:
    from glance3d.pipeline import SceneRecipe

#: Of a scene's folder and of the ledger beside it.
SUMMARY_FILE = "batch.json"
LONGEST_NAME = 200  # bytes; the ledger appends to it
MOST_SCENES = 100_000
# What Windows keeps for devices or does not take in names: results may be copied there.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
_FORBIDDEN = '<>:"/\\|?*'


@dataclass(frozen=True)
class BatchScene:
    """One scene: the name of its folder, its photos, and what is done with them.

    ``sources`` are what :func:`glance3d.reconstruct` takes as paths: a folder, files, clips, globs.

    Raises:
        InputError: the name cannot be a folder's everywhere.
    """

    name: str
    sources: tuple[str, ...]
    recipe: "SceneRecipe"

    def __post_init__(self) -> None:
        """Refuse names that would lead out of the batch's folder, or that not every system has."""
        check_name(self.name)


def check_name(name: str, where: str = "a scene's name") -> str:
    """The name, if it can name a folder on any system.

    Raises:
        InputError: it cannot; ``where`` begins the sentence.
    """
    reason = _why_not(name)
    if reason is not None:
        shown = visible_text(name) if len(name) <= LONGEST_NAME else f"{visible_text(name[:40])}..."
        raise InputError(f"{where} must be usable as the name of a folder, got '{shown}': {reason}")
    return name


def _why_not(name: str) -> str | None:
    if not name.strip():
        return "it is empty"
    if name.startswith("."):
        return "names of scenes begin with no dot"
    if any(character in _FORBIDDEN for character in name):
        return f"leave out all of {' '.join(_FORBIDDEN)}"
    if any(is_hidden(character) for character in name):
        return "it holds characters that cannot be seen"
    if name != name.strip() or name.endswith("."):
        return "it begins or ends with a blank, or ends with a dot"
    if _RESERVED.fullmatch(name) or name_key(name) == SUMMARY_FILE:
        return "that name is taken by the system or by the batch"
    if len(name.encode(errors="surrogateescape")) > LONGEST_NAME:
        return f"it is longer than {LONGEST_NAME} bytes"
    return None


def refuse_duplicates(names: Iterable[tuple[str, str]]) -> None:
    """Refuse two scenes of one folder; pairs of a name and of where it stands.

    Raises:
        InputError: two names are the same, or differ in case or composition alone.
    """
    seen: dict[str, tuple[str, str]] = {}
    for name, where in names:
        before = seen.setdefault(name_key(name), (name, where))
        if before[1] != where:
            raise InputError(
                f"names of scenes must differ, got {visible_text(before[0])!r} ({before[1]}) and "
                f"{visible_text(name)!r} ({where}): rename one of them"
            )


def refuse_number(scenes: Sequence[object], where: str) -> None:
    """Refuse none at all, and more than a ledger is meant for.

    Raises:
        InputError: with what to do.
    """
    if not scenes:
        raise InputError(f"{where} holds no scenes: give at least one")
    if len(scenes) > MOST_SCENES:
        raise InputError(
            f"{where} holds {len(scenes)} scenes, and a batch takes {MOST_SCENES}: split it"
        )


def folder_of(out: Path, name: str) -> Path:
    """Where a scene's result stands."""
    return out / name
