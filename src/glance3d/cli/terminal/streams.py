"""Standard output and error, made so that no name and no closed pipe can end a run.

What a stream's encoding cannot show is escaped as JSON escapes it, so that names stay readable and
``--json`` stays JSON. What goes to standard error is progress and log: where it cannot be written
it is dropped. Standard output is a result: :class:`StdoutError` says that it could not be written.
"""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_ESCAPES = "glance3d.escapes"


class StdoutError(OSError):
    """Standard output cannot be written: its reader has gone, or its disk is full."""


def _escaped(error: UnicodeError) -> tuple[str, int]:
    r"""Two bytes of UTF-16 at a time as ``\uXXXX``; a codec's error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2], strict=True)
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs), error.end


codecs.register_error(_ESCAPES, _escaped)


class _Stream:
    """A text stream with another answer to errors; everything else is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream's own."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            return self._failed(error)

    def flush(self) -> None:
        """As the stream's own."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._failed(error)

    def _failed(self, error: OSError | ValueError) -> int:
        """What to do about a failed write; the number of characters to claim as written."""
        return 0


class _Results(_Stream):
    def _failed(self, error: OSError | ValueError) -> int:
        raise StdoutError(*error.args) from error


@contextmanager
def safe_streams() -> Iterator[None]:
    """Standard output and error as the module says, within the block."""
    before = sys.stdout, sys.stderr
    with _escaping(sys.stdout) as stdout, _escaping(sys.stderr) as stderr:
        sys.stdout, sys.stderr = _Results(stdout), _Stream(stderr)  # pyrefly: ignore
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


@contextmanager
def _escaping(stream: Any) -> Iterator[Any]:
    """The stream, escaping what its encoding lacks; the null device where it is closed."""
    if stream is None:
        with open(os.devnull, "w", encoding="utf-8", errors=_ESCAPES) as nothing:  # noqa: PTH123
            yield nothing
    elif isinstance(stream, io.TextIOWrapper):
        errors = stream.errors
        with suppress(OSError, ValueError):
            stream.reconfigure(errors=_ESCAPES)
        yield stream
        with suppress(OSError, ValueError):
            stream.reconfigure(errors=errors)
    else:
        yield stream


def occupy_closed_descriptors() -> None:
    """Let 0, 1 and 2 be open, so that no file that is opened later is taken for one of them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def drop_stdout() -> None:
    """Keep Python from complaining about what it cannot write once more when it exits."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
