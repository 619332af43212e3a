"""Creating a file that must not be there yet: of many who try at once, on any machine, one does."""

import errno
import os
from pathlib import Path

from glance3d.files.atomic import errors_named, flush_to_disk, temporary_beside

# Where files have no second name (exFAT, many stores behind FUSE).
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


def create_once(path: Path, content: bytes) -> bool:
    """Create a file with this content; False if one stands there already, which stays as it is.

    Whoever sees the file sees it whole: it is written under another name and given this one by a
    hard link, which is atomic also on network disks (NFS). Where there are no links it is created
    exclusively and then written, so that a reader may meet it empty for a moment.

    Raises:
        OutputError: the file system refuses.
    """
    with errors_named(path), temporary_beside(path) as temporary:
        temporary.write_bytes(content)
        flush_to_disk(temporary)
        try:
            os.link(temporary, path)
        except FileExistsError:
            # A server whose answer was lost is asked again, and finds what it has just made.
            return temporary.stat().st_nlink == 2
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _create_and_write(path, content)
        flush_to_disk(path.parent)
        return True


def _create_and_write(path: Path, content: bytes) -> bool:
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True
