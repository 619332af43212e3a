"""Whether an error means that memory ran out: one place knows the many ways to say so.

Python, NumPy, torch, C++ and the dynamic linker each have words of their own for it, and torch has
several. Nothing heavy is imported, so that also an import that failed for it is recognised.
"""

import errno
import re
from contextlib import suppress

# RuntimeError of torch and of C++ (pybind), ImportError of the dynamic linker, SafetensorError.
_SAYINGS = re.compile(
    r"out of memory|not enough memory|(?:can.?t|cannot|unable to|failed to) allocate|bad.?alloc"
    r"|alloc(?:ation)? failed|failed to map segment|cannot allocate|can.t start new thread"
    r"|pthread_create|thread constructor failed|os error 12\b|resource temporarily unavailable",
    re.IGNORECASE,
)
_TYPES = (RuntimeError, ImportError, OSError, SystemError)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this error, or one that it was raised from, says that memory ran out."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        if _says_so(current):
            return True
        seen.append(current)
        current = current.__cause__
    return False


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOMEM
    named = isinstance(error, _TYPES) or type(error).__name__ == "SafetensorError"
    return named and _SAYINGS.search(str(error)) is not None


def address_space_limit() -> int | None:
    """Bytes that this process may map (``ulimit -v``); None where there is no limit."""
    with suppress(ImportError, OSError, ValueError):  # not on Windows
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        return None if soft == resource.RLIM_INFINITY else soft
    return None
