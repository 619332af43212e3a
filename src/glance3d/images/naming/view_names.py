"""Find a view by its name or number."""

import difflib
import re
from collections.abc import Sequence
from pathlib import PurePath

from glance3d.errors import InputError
from glance3d.files.name_keys import composed
from glance3d.text import first_names

ViewName = int | str
_SHOWN = 5


def find_view(view: ViewName, names: Sequence[str]) -> int:
    """The number of a photo, from 0, given by its name, its name without suffix, or its number.

    Raises:
        InputError: there is no such photo, or there are several.
    """
    word = composed(str(view))
    if not isinstance(view, int):
        for known in (map(composed, names), [composed(PurePath(name).stem) for name in names]):
            matches = [index for index, name in enumerate(known) if name == word]
            if len(matches) > 1:
                raise InputError(f"there are several photos called {word!r}: give the whole name")
            if matches:
                return matches[0]
    if re.fullmatch(r"-?\d+", word) and 0 <= int(word) < len(names):
        return int(word)
    raise InputError(
        f"there is no photo {word!r}: give one's name ({_near(word, names)}) or its number from 0 "
        f"to {len(names) - 1}"
    )


def _near(word: str, names: Sequence[str]) -> str:
    """Names much like the word; else the first ones."""
    folded = {name.casefold(): name for name in names}
    stems = {PurePath(name).stem.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), [*folded, *stems], n=_SHOWN, cutoff=0.7)
    alike = list(dict.fromkeys((folded | stems)[key] for key in close))
    if alike:
        return ", ".join(alike)
    return first_names(names, _SHOWN)
