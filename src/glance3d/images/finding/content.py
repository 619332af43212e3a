"""The content of photo files, by which a scene identifies its photos."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from glance3d.errors import ImageError
from glance3d.files.regular_file import regular_file
from glance3d.images.clips import file_of
from glance3d.types import PhotoContent

_NUM_REMEMBERED = 4096


def content_of(photo: Path) -> PhotoContent:
    """Size and SHA-256 of a photo's file; of the whole clip for a frame of one.

    A file that has not been touched since (same size, time stamp and place on the disk) is read
    once in a process.

    Raises:
        ImageError: it is no ordinary file, or cannot be read.
    """
    path = regular_file(file_of(photo), error=ImageError)
    try:
        status = path.stat()
        return _read_content(path, status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError as error:
        raise ImageError(f"{path.name} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=_NUM_REMEMBERED)
def _read_content(path: Path, size: int, time_ns: int, inode: int) -> PhotoContent:
    """The other arguments stand for the state of the file, so that a changed one is read again."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return PhotoContent(os.fstat(file.fileno()).st_size, digest)
