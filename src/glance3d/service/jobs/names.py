"""Names that clients give, made fit for files here: no path, nothing hidden, nothing reserved."""

import re
import unicodedata
from collections.abc import Collection

from glance3d.batches.scenes import check_name
from glance3d.errors import InputError
from glance3d.files.name_keys import name_key
from glance3d.images.clips.frame_paths import CLIP_SUFFIXES
from glance3d.images.files.file_kinds import READABLE_SUFFIXES
from glance3d.text import is_hidden

ZIP_SUFFIX = ".zip"
_LONGEST = 120  # bytes
_LONGEST_TITLE = 120
_KEPT = re.compile(r"[^\w.()+=@ -]")


def is_taken(name: str) -> bool:
    """Whether a file of this name is a photo, a clip or a zip, by its suffix."""
    suffix = name.lower().rpartition(".")[2]
    return f".{suffix}" in (*READABLE_SUFFIXES, *CLIP_SUFFIXES, ZIP_SUFFIX)


def file_name(given: str, taken: Collection[str] = ()) -> str:
    """A name for a file that a client calls ``given``, unlike those in ``taken``.

    What stands before the last slash or backslash is a path of the client's, and left out.

    Raises:
        InputError: it is no photo, clip or zip by its suffix.
    """
    last = re.split(r"[/\\]", given)[-1]
    plain = "".join(c for c in unicodedata.normalize("NFC", last) if not is_hidden(c))
    stem, dot, suffix = _KEPT.sub("_", plain).rstrip(" .").rpartition(".")
    if not dot or not is_taken(f"x.{suffix}"):
        raise InputError(f"files must be photos, clips or zips, got {shown_name(given)!r}")
    short = stem.strip(" .").encode()[:_LONGEST].decode(errors="ignore")
    stem = short.strip(" .") or "photo"
    if not _is_name(f"{stem}.{suffix}"):  # of a device, also with dots after it
        stem = f"photo-{stem}"
    keys, number, name = set(map(name_key, taken)), 1, f"{stem}.{suffix}"
    while name_key(name) in keys:
        number += 1
        name = f"{stem}-{number}.{suffix}"
    return name


def shown_name(given: str) -> str:
    """A title for a person: one line of visible characters, not too long."""
    visible = "".join(" " if is_hidden(c) else c for c in unicodedata.normalize("NFC", given))
    return " ".join(visible.split())[:_LONGEST_TITLE].strip()


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except InputError:
        return False
    return True
