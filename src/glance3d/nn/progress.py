"""How far a pass is, for whoever wants to show it: a callback after each pair of blocks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_callback: ContextVar[Callable[[], object] | None] = ContextVar("layer_done", default=None)


def layer_done() -> None:
    """Say that a layer is done; nobody listens, as a rule."""
    callback = _callback.get()
    if callback is not None:
        callback()


@contextmanager
def on_layer_done(callback: Callable[[], object]) -> Iterator[None]:
    """Call this after each layer of every pass inside. A GPU may still be at work on it then."""
    before = _callback.set(callback)
    try:
        yield
    finally:
        _callback.reset(before)
