"""A disk that is full after some bytes of a file: the system's own limit, not a mock."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """No file may be longer within the block. Nothing else may write there, pytest included."""
    resource = pytest.importorskip("resource", reason="this system has no file-size limit")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
