"""What a run that was stopped leaves for the next one: a hidden folder in that of its results.

It is ours by its name, and its files by theirs: 64 hexadecimal digits, the hash of all that they
were made from, after a prefix if they are of a pass that only looked whether two windows see one
place. It stays until a whole result has been moved into place.
"""

import re
from contextlib import suppress
from pathlib import Path

from glance3d.errors import OutputError
from glance3d.files.atomic import remove_dead_temporaries

UNFINISHED_FOLDER = ".glance3d-unfinished"
LOOK_PREFIX = "loop-"
_NAME = re.compile(rf"(?:{LOOK_PREFIX})?[0-9a-f]{{64}}\.(?:safetensors|npz)")


def unfinished_folder(root: Path) -> Path:
    """Where a run that holds the folder of results ``root`` keeps what it has; cleaned, not made.

    Raises:
        OutputError: a file or a link stands there.
    """
    folder = root / UNFINISHED_FOLDER
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"{folder} must be a folder of Glance3D's own: remove it")
    remove_dead_temporaries(folder, alone=True)
    return folder


def unfinished_files(root: Path) -> list[Path]:
    """What runs have left there, in the order of the names."""
    folder = root / UNFINISHED_FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def remove_unfinished(root: Path) -> None:
    """Remove all of it, and the folder unless somebody else's file lies there."""
    for path in unfinished_files(root):
        with suppress(OSError):
            path.unlink()
    folder = root / UNFINISHED_FOLDER
    if not folder.is_symlink():
        remove_dead_temporaries(folder, alone=True)
        with suppress(OSError):
            folder.rmdir()
