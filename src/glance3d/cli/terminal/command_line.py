"""The words of the command that runs, to be shown with one of them changed."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_words: ContextVar[tuple[str, ...]] = ContextVar("words", default=())
_OF_THE_MODEL = ("--model", "--weights")


@contextmanager
def running(command: str, words: Sequence[str]) -> Iterator[None]:
    """Remember them while the command runs."""
    token = _words.set((command, *words))
    try:
        yield
    finally:
        _words.reset(token)


def with_model(name: str) -> str:
    """The same command for a shell, with another model."""
    kept, is_value = [], False
    for word in _words.get():
        if not is_value and not word.startswith(tuple(f"{flag}=" for flag in _OF_THE_MODEL)):
            is_value = word in _OF_THE_MODEL
            if not is_value:
                kept.append(word)
        else:
            is_value = False
    return shlex.join(["glance3d", *kept, "--model", name])
