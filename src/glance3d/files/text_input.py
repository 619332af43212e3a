"""Reading text that other programs wrote: size and encoding checked before anything is parsed.

Every reader of somebody else's text goes through :func:`read_text`, so that a byte order mark, the
line ends of Windows, a file of gigabytes or a named pipe mean the same everywhere.
"""

import codecs
import re
from pathlib import Path

from glance3d.errors import Glance3DError
from glance3d.files.regular_file import irregular_kind

#: Bytes: room for the text of a COLMAP model with the points of a thousand photos.
TEXT_LIMIT = 512 * 1024**2
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_ENDS = re.compile(r"\r\n?")


def read_text(
    path: str | Path,
    *,
    error: type[Glance3DError],
    limit: int = TEXT_LIMIT,
    keep_undecodable: bool = False,
) -> str:
    r"""The text of a file whose line ends are all ``\n``, without a byte order mark.

    UTF-8, or UTF-16 and UTF-32 where a mark says so. With ``keep_undecodable``, bytes that are not
    UTF-8 become surrogates, as Python reads file names, so that names of files still compare.

    Raises:
        error: The file cannot be read, is longer than ``limit`` bytes, or is no such text.
    """
    content = read_bytes(path, error=error, limit=limit)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content[:4096]:
        raise error(
            f"{path} holds zero bytes: it is binary, or UTF-16 without a mark; save it as UTF-8"
        )
    try:
        text = content.decode(encoding, "surrogateescape" if keep_undecodable else "strict")
    except UnicodeDecodeError as failure:
        line = content.count(b"\n", 0, failure.start) + 1
        raise error(f"line {line} of {path} is not {encoding}: save the file as UTF-8") from failure
    return _LINE_ENDS.sub("\n", text)


def read_bytes(path: str | Path, *, error: type[Glance3DError], limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes; ``error`` says what is wrong."""
    path = Path(path)
    try:
        # Before it is opened: opening a named pipe waits for somebody who writes to it.
        status = path.stat()
        kind = irregular_kind(status.st_mode)
        if kind is not None:
            raise error(f"{path} must be a file, got {kind}")
        with path.open("rb") as file:
            # As much memory is taken as is asked for.
            content = file.read(min(limit, status.st_size) + 1)
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or failure
        raise error(f"{path} cannot be read: {reason}") from failure
    if len(content) > limit:
        raise error(f"{path} is longer than {_megabytes(limit)}, more than is read of such a file")
    return content


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:.0f} MB" if size >= 1024**2 else f"{size} bytes"
