"""Signals during training: finish the step, write a checkpoint, then stop."""

import signal
import threading
import time
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
STOP_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
# A terminal and a parent process may both send the same signal: faster than anybody types twice.
_SAME_SIGNAL_SECONDS = 0.25


class StopRequest:
    """True after Ctrl-C, SIGTERM or SIGHUP; a second signal raises ``KeyboardInterrupt``.

    ``number`` is the first signal's. Outside the main thread, where signals cannot be caught, it
    stays False, and a signal that the process ignored from the start stays ignored.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._first = 0.0
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.number is not None

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exception: object) -> None:
        """Restore the signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.number is None:
            self.number, self._first = number, now
        elif now - self._first > _SAME_SIGNAL_SECONDS:
            raise KeyboardInterrupt
