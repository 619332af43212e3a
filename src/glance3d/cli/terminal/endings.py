"""What ended a command, as an exit code and one line."""

from errno import EPIPE

from glance3d.cli.terminal.stopping import Stopped, describe_signal
from glance3d.cli.terminal.streams import StdoutError
from glance3d.errors import ConfigError, Glance3DError, InputError, RanksError
from glance3d.out_of_memory import address_space_limit, is_out_of_memory
from glance3d.text import visible_text


def ending_of(error: BaseException) -> tuple[int, str]:
    """The exit code and the sentence for what ended a command; a bug is raised again."""
    if isinstance(error, SystemExit):  # the argument parser: 0 after --help, 2 if not understood
        return error.code if isinstance(error.code, int) else 2, ""
    if isinstance(error, Stopped):
        notes = getattr(error, "__notes__", None) or ["nothing half-written is left"]
        return 128 + error.number, f"stopped by {describe_signal(error.number)}; {'; '.join(notes)}"
    if isinstance(error, KeyboardInterrupt):
        return 130, "stopped; nothing half-written is left"
    if isinstance(error, StdoutError):  # `head` has seen enough, which is no error
        reason = f"standard output cannot be written: {_one_line(error)}"
        return (0, "") if error.errno == EPIPE else (1, reason)
    if isinstance(error, RanksError):
        return error.code, "; ".join([_one_line(error), *getattr(error, "__notes__", ())])
    if isinstance(error, Glance3DError):
        not_understood = isinstance(error, InputError | ConfigError)
        short_of_memory = isinstance(error, MemoryError)
        line = "; ".join([_one_line(error), *getattr(error, "__notes__", ())])
        return 2 if not_understood and not short_of_memory else 1, line
    if is_out_of_memory(error):
        return 1, _memory_ran_out()
    if isinstance(error, OSError):
        return 1, _one_line(error)
    raise error


def _memory_ran_out() -> str:
    limit = address_space_limit()
    allowed = "" if limit is None else f" (this shell allows {limit / 1e9:.2f} GB, ulimit -v)"
    return (
        f"memory ran out{allowed}: use fewer photos, fewer pixels (--max-pixels) or fewer at a "
        "time (--window), or close other programs; reconstruct --plan says what a run takes"
    )


def _one_line(error: Glance3DError | OSError) -> str:
    """An error as one sentence, without the errno that Python puts in front."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror and not isinstance(error, Glance3DError):
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return visible_text(" ".join(text.split())) or type(error).__name__
