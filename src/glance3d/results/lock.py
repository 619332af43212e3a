"""One run at a time in a folder of results.

The system forgets the lock of a process that ends, however it ends. It is a lock of the whole
process, which a child that was forked (a worker of a data loader) does not keep alive.
"""

import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glance3d.errors import OutputError

LOCK_FILE = ".glance3d.lock"
_POLL_SECONDS = 0.1
_held: set[Path] = set()  # by this process: the system would grant it its own locks again
_guard = threading.Lock()


@contextmanager
def folder_lock(folder: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold a folder that is there, for as long as the block runs.

    Raises:
        OutputError: another run holds it, still after ``wait_seconds``.
        OSError: nothing can be written there.
    """
    path = folder.resolve() / LOCK_FILE
    deadline = time.monotonic() + wait_seconds
    while (descriptor := _try_lock(path)) is None:
        if time.monotonic() >= deadline:
            raise OutputError(
                f"{_holder(path)} is writing to {folder}: wait until it is done, or choose another "
                "folder"
            )
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        with _guard:
            try:
                with suppress(OSError):
                    path.unlink()
            finally:
                os.close(descriptor)  # and with it the lock
                _held.discard(path)


def _try_lock(path: Path) -> int | None:
    with _guard:
        while path not in _held:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if not _lock(descriptor):
                    break
                if _is_file(descriptor, path):
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
                    _held.add(path)
                    kept, descriptor = descriptor, -1
                    return kept
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        return None


def _is_file(descriptor: int, path: Path) -> bool:
    """Whether what was locked still stands there: who held it before has removed it by now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _holder(path: Path) -> str:
    if path in _held:  # to open and close the file would give our lock away
        return "another run of this process"
    try:
        text = path.read_bytes()[:100].decode(errors="replace").strip()
    except OSError:
        text = ""
    return f"another run ({text})" if text.isprintable() and text else "another run"


if os.name == "nt":
    import msvcrt  # pyrefly: ignore[missing-import]

    # Beyond what is written, since nobody may read what is locked there.
    _AT = 1 << 20

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, _AT, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import errno
    import fcntl

    _HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network disks have no locks: a run there goes on without.
            return error.errno not in _HELD_BY_ANOTHER
        return True
