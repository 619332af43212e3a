"""When two names of files are the same name.

``é`` can be written as one character or as ``e`` and an accent; systems differ in which they keep
(a Mac's names are decomposed), and a name that was typed or stands in a file may be either.
"""

import re
import unicodedata
from collections.abc import Iterable

_NOT_KEPT = re.compile(r"[^\w.()+=@ -]")
_LONGEST = 120  # bytes


def composed(name: str) -> str:
    """The name with composed characters (NFC): equal for names that are written alike."""
    return unicodedata.normalize("NFC", name)


def name_key(name: str) -> str:
    """Equal for names that are the same but for composition and for upper and lower case.

    Bytes that are no text (surrogates of file names) stay as they are.
    """
    # Once more after folding: a folded letter may be a decomposed one.
    return composed(composed(name).casefold())


def distinct_names(given: Iterable[str]) -> list[str]:
    """For each text a name that files and folders may have on any system, no two of them alike.

    What is one stays; of others, what may stand in a name: never a path, nor nothing.
    """
    names: list[str] = []
    keys: set[str] = set()
    for text in given:
        kept = _NOT_KEPT.sub("_", composed(text)).encode(errors="ignore")[:_LONGEST]
        plain = kept.decode(errors="ignore").strip(" .") or "unnamed"
        name, number = plain, 1
        while name_key(name) in keys:
            number += 1
            name = f"{plain}-{number}"
        keys.add(name_key(name))
        names.append(name)
    return names
