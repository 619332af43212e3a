"""Text from elsewhere (names of files, words of a saved scene) and numbers, fit to be looked at.

File names and texts of scenes can hold what moves a terminal's cursor, turns the direction of
reading around or cannot be seen at all. Whatever shows such text shows it through here, and escapes
its own markup (HTML, Markdown) on top.
"""

import unicodedata
from collections.abc import Iterable, Sequence

# Control characters, formats (direction of reading, zero width, tags), half surrogates, private and
# unassigned characters, and separators of lines and paragraphs.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Letters by their category, and yet nothing to be seen.
_BLANK_LETTERS = set("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def visible_text(text: str, keep: str = "") -> str:
    r"""The same text with every character that cannot be seen written as its escape.

    ``"a\x1b[31m\u202eb"`` becomes the same in print: ``a\x1b[31m\u202eb``. Spaces stay, and what
    ``keep`` lists, such as ``"\n"``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escape(character) if character not in keep and is_hidden(character) else character
        for character in text
    )


def is_hidden(character: str) -> bool:
    """Whether a character shows nothing by itself, or changes how others are shown."""
    return unicodedata.category(character) in _HIDDEN or character in _BLANK_LETTERS


def first_names(names: Sequence[str], shown: int = 5) -> str:
    """The first names, and dots where there are more: ``"a, b ..."``."""
    return ", ".join(names[:shown]) + (" ..." if len(names) > shown else "")


def names_and_count(names: Sequence[str], shown: int) -> str:
    """The first names, and how many there are besides: ``"a, b and 3 more"``."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def named_groups(groups: Iterable[Sequence[str]], shown: int = 6) -> str:
    """How many names the largest groups have, and the first ones: ``"4 (a, b, c ...); 1 (e)"``."""
    largest = sorted(groups, key=len, reverse=True)
    named = [f"{len(names)} ({first_names(names, 3)})" for names in largest[:shown]]
    more = len(largest) - shown
    return "; ".join([*named, counted(more, "smaller group")] if more > 0 else named)


def counted(number: int, noun: str) -> str:
    """``"1 photo"``, ``"2 photos"``: a number of what takes an s where there are several."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def gigabytes(num_bytes: int) -> str:
    """``"1.25 GB"``, or in MB what would be less than a hundredth: ``"4 MB"``."""
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 5e6 else f"{num_bytes / 1e6:.2g} MB"


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
