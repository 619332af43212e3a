"""When two names of files are the same name.

``é`` can be written as one character or as ``e`` and an accent; systems differ in which they keep
(a Mac's names are decomposed), and a name that was typed or stands in a file may be either.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable

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
    kept = (_NOT_KEPT.sub("_", composed(text)).encode(errors="ignore") for text in given)
    plain = (name[:_LONGEST].decode(errors="ignore").strip(" .") or "unnamed" for name in kept)
    return numbered_apart(plain, lambda name, number: f"{name}-{number}")


def numbered_apart(names: Iterable[str], numbered: Callable[[str, int], str]) -> list[str]:
    """The same names, ``numbered`` from 2 on where two would be one file on some system."""
    taken: set[str] = set()
    result = []
    for name in names:
        number, candidate = 1, name
        while name_key(candidate) in taken:
            number += 1
            candidate = numbered(name, number)
        taken.add(name_key(candidate))
        result.append(candidate)
    return result
