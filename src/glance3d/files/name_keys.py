"""When two names of files are the same name.

``é`` can be written as one character or as ``e`` and an accent; systems differ in which they keep
(a Mac's names are decomposed), and a name that was typed or stands in a file may be either.
"""

import unicodedata


def composed(name: str) -> str:
    """The name with composed characters (NFC): equal for names that are written alike."""
    return unicodedata.normalize("NFC", name)


def name_key(name: str) -> str:
    """Equal for names that are the same but for composition and for upper and lower case.

    Bytes that are no text (surrogates of file names) stay as they are.
    """
    # Once more after folding: a folded letter may be a decomposed one.
    return composed(composed(name).casefold())
