"""Ctrl-C, SIGTERM and SIGHUP: they stop a command in the same way, without a traceback.

The first raises :class:`Stopped` in the main thread, so that what was begun is cleaned up on the
way out. Where that cannot be, a watching thread ends the process: at a second signal at once, and
after :data:`PATIENCE_SECONDS` where the main thread is in C++ that does not look for signals, or
waits for other threads. The disk is in order at any moment; the next run removes what was left.

Whoever takes a signal for itself meanwhile (training saves first) is left alone.
"""

import _thread
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any

PATIENCE_SECONDS = 10.0
# A terminal and the program between send the same signal twice; nobody types as fast.
_SAME_SIGNAL_SECONDS = 0.25
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_AGAIN_SECONDS = 0.1


class Stopped(KeyboardInterrupt):
    """A signal asked the process to stop. Notes (PEP 678) say what stands."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def describe_signal(number: int) -> str:
    """As a person knows it."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported: libraries catch what is raised there, and go on."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


class StopSignals:
    """Raises :class:`Stopped` at the first signal, while it is entered in the main thread.

    ``requested`` is the number of that signal. At the end the handlers from before come back, or,
    ``at_exit``, the system's own: from then on a signal ends the process without a word.
    """

    def __init__(self, *, at_exit: bool = False) -> None:
        self.requested: int | None = None
        self._at_exit = at_exit
        self._first = 0.0
        self._before: dict[int, Any] = {}
        self._hook: Any = None
        self._ending = threading.Lock()

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is not threading.main_thread():
            return self
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):  # as nohup and `&` want it
                self._before[number] = signal.signal(number, self._on_signal)
        self._hook, sys.unraisablehook = sys.unraisablehook, self._on_unraisable
        self._watcher = threading.Thread(target=self._watch, name="signals", daemon=True)
        with suppress(RuntimeError):  # no memory for a thread: then nobody watches
            self._watcher.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the signals back."""
        if self._hook is None:
            return
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if self._at_exit else handler)
        signal.set_wakeup_fd(self._wakeup)
        sys.unraisablehook = self._hook
        os.close(self._writer)  # the watcher reads the end, and goes
        if self._watcher.ident is not None:
            self._watcher.join()
        os.close(self._reader)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.requested is not None:
            if now - self._first > _SAME_SIGNAL_SECONDS:
                self._end(number)
        elif not _is_importing(frame):  # else the watcher sends it once more
            self.requested, self._first = number, now
            raise Stopped(number)

    def _on_unraisable(self, unraisable: Any) -> None:
        """A finaliser or a callback met the signal, where Python only prints an exception."""
        if isinstance(unraisable.exc_value, Stopped):
            self.requested = None  # the watcher sends it once more
        else:
            self._hook(unraisable)

    def _watch(self) -> None:
        """See signals as they come in, whatever the main thread does."""
        first, number, num_sent = 0.0, 0, 0
        while True:
            waiting = select.select([self._reader], [], [], _AGAIN_SECONDS if number else None)[0]
            received = os.read(self._reader, 64) if waiting else b""
            if waiting and not received:
                return  # the block has ended
            for byte in received:
                if num_sent:
                    num_sent -= 1
                elif byte in self._before and signal.getsignal(byte) == self._on_signal:
                    if number and time.monotonic() - first > _SAME_SIGNAL_SECONDS:
                        self._end(byte)
                    first, number = first or time.monotonic(), byte
            if number and time.monotonic() - first > PATIENCE_SECONDS:
                self._end(number)
            if number and self.requested is None:
                num_sent += 1  # it comes through the pipe as well
                time.sleep(_AGAIN_SECONDS)
                self._send_again(number)

    def _send_again(self, number: int) -> None:
        main = threading.main_thread().ident
        if hasattr(signal, "pthread_kill") and main is not None:  # it wakes whoever sleeps, too
            signal.pthread_kill(main, number)
        else:
            _thread.interrupt_main(signal.Signals(number))

    def _end(self, number: int) -> None:
        """End the process now, from whichever thread; what is half-done has a temporary name."""
        if self._ending.acquire(blocking=False):
            line = f"glance3d: ended at once ({describe_signal(number)}); what stood stands\n"
            with suppress(OSError):
                os.write(2, line.encode())
            os._exit(128 + number)
