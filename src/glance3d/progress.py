"""How far long work is: bars on stderr, or told to whoever listens in this process."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of what is worked at; 0 where their number is not known.

    ``is_stage``: a stage has begun, whose own steps may be told next.
    """

    what: str
    done: int = 0
    total: int = 0
    is_stage: bool = False


Listener = Callable[[Progress], None]

_listener: Listener | None = None


@contextmanager
def progress_told_to(listener: Listener) -> Iterator[None]:
    """Within the block, stages and bars are told to ``listener``, and nothing is drawn.

    It is called from any thread, and must be quick.
    """
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


def tell_stage(name: str) -> None:
    """Say that a stage begins, to whoever listens."""
    if _listener is not None:
        _listener(Progress(name, is_stage=True))


class ProgressBar(tqdm):
    """A bar of ``tqdm``, which is told instead of drawn where somebody listens."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if _listener is not None:
            options["file"] = io.StringIO()
        super().__init__(*arguments, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Show the bar as it is now."""
        if _listener is None:
            return super().display(msg, pos)
        _listener(Progress(str(self.desc or "").rstrip(": "), int(self.n), int(self.total or 0)))
        return True
