"""Whether a path names a file that can be read to its end: asked before anything is opened."""

import stat
from collections.abc import Callable
from pathlib import Path

from glance3d.errors import Glance3DError

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def regular_file(path: str | Path, *, error: type[Glance3DError]) -> Path:
    """The path, if a regular file stands there or where its links lead.

    Opening a named pipe waits for somebody who writes to it, a device may never end, and what the
    system makes up (``/proc``) may do both while it says that it is empty.

    Raises:
        error: Something else stands there, nothing does, or the file is empty.
    """
    path = Path(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or failure
        raise error(f"{path.name} cannot be read: {reason}") from failure
    kind = irregular_kind(status.st_mode)
    if kind is not None:
        raise error(f"{path.name} must be a file, got {kind}")
    if not status.st_size:
        raise error(f"{path.name} is empty (0 bytes): copy it again")
    return path


def irregular_kind(mode: int) -> str | None:
    """What a path of this mode (``os.stat``) is, such as "a named pipe"; None for a file."""
    if stat.S_ISREG(mode):
        return None
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "no file")
