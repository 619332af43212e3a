"""A group of processes that compute one thing together, and what they say to each other."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, Literal

from torch import distributed

from glance3d.distributed.collectives import Collectives
from glance3d.distributed.joining import Meeting, meet
from glance3d.distributed.launch import Launch, read_launch
from glance3d.distributed.lifeline import Ending
from glance3d.errors import InputError, RanksError

#: How keys and values of all views reach every query: all at once, or one rank's at a time.
Keys = Literal["auto", "gathered", "ring"]
TIMEOUT_VARIABLE, DEFAULT_TIMEOUT = "GLANCE3D_RANKS_TIMEOUT", 300.0
_LONGEST_TIMEOUT = 7 * 24 * 3600.0


class Group(Collectives):
    """All processes that were started together; this one is ``rank`` of ``size``, from 0.

    A group of one says nothing to anybody and does not touch ``torch.distributed``. Inside
    ``with group:`` forward passes and training are shared by all ranks, each of which must make the
    same calls in the same order; at the end it is closed. Everything that waits for other ranks
    raises a :class:`~glance3d.errors.RanksError` when one of them has ended or fallen silent; where
    it cannot (a GPU waits), the process is ended with that sentence.

    ``keys`` is how global attention sees the views of other ranks: "gathered", "ring" (exact too,
    in less memory, with one rank's keys and values at a time) or "auto", which takes the ring where
    the memory plan of some rank does not fit otherwise.
    """

    def __init__(
        self, launch: Launch | None = None, meeting: Meeting | None = None, keys: Keys = "auto"
    ) -> None:
        super().__init__(launch or Launch(), meeting)
        self.keys: Keys = keys
        self._token: Token[Group] | None = None
        self._is_released = False

    @classmethod
    def from_env(cls, timeout: float | None = None, keys: Keys = "auto") -> "Group":
        """Join the processes that torchrun, SLURM (``srun``) or a trainer of Ray started with this.

        A group of one where nothing says that there are others. Collectives are NCCL's for what is
        on a GPU, gloo's for the rest.

        Args:
            timeout: Seconds until a rank that does not come, or gives no sign of life, is given
                up; by default ``GLANCE3D_RANKS_TIMEOUT``, or 300.
            keys: See the class.

        Raises:
            InputError: What the environment says cannot be.
            RanksError: Not all ranks came in time.
        """
        if keys not in ("auto", "gathered", "ring"):
            raise InputError(f"keys must be auto, gathered or ring, got {keys!r}")
        seconds = _timeout() if timeout is None else timeout
        if not 0 < seconds <= _LONGEST_TIMEOUT:
            raise InputError(
                f"the timeout of a group must be above 0 and at most {_LONGEST_TIMEOUT:.0f} "
                f"seconds, got {seconds:g}"
            )
        launch = read_launch()
        adopts = distributed.is_available() and distributed.is_initialized()
        if launch.size == 1 and not (adopts and distributed.get_world_size() > 1):
            return cls(launch, keys=keys)
        meeting = meet(launch, seconds)
        return cls(meeting.launch, meeting, keys)

    def __enter__(self) -> "Group":
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Tell the others of an error, and close."""
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        if error is not None and not isinstance(error, RanksError):
            self.report(1, str(error) or type(error).__name__)
        self.close(failed=error is not None)

    @contextmanager
    def passing_keys(self, *, by_ring: bool) -> Iterator[None]:
        """Inside, ``keys`` is "ring", or "gathered", in every rank alike."""
        before = self.keys
        self.keys = "ring" if by_ring else "gathered"
        try:
            yield
        finally:
            self.keys = before

    def after_first(self, make: Callable[[], Any]) -> Any:
        """``make()`` of rank 0 first, then of all others at once: for files that it writes."""
        if self._meeting is None:
            return make()
        made = make() if self.is_first else None
        self.wait_for_all()
        return made if self.is_first else make()

    def report(self, code: int, sentence: str) -> None:
        """Say that this rank fails, with an exit code and a sentence."""
        if self._meeting is not None:
            try:
                self._meeting.lifeline.report(Ending(self.rank, code, sentence))
            except RuntimeError:
                return  # nobody is left to be told

    def release(self) -> None:
        """Wait for all, then let each rank work alone: nothing is shared or watched any more."""
        if self._meeting is not None:
            self.wait_for_all()
            self._meeting.lifeline.stop()
            self._is_released = True
            _current.set(_alone)

    def first_says_too(self, sentence: str) -> bool:
        """Whether rank 0 has failed with this sentence as well, or does so in a moment."""
        return self._meeting is not None and self._meeting.lifeline.first_says(sentence)

    def silent(self) -> RanksError | None:
        """The sentence for a rank that gives no sign of life; looks for some seconds."""
        if self._meeting is None:
            return None
        dead = self._meeting.lifeline.silent()
        return self._as_error(Ending(dead[0], 1)) if dead else None

    def say_done(self, code: int) -> None:
        """Rank 0: end :meth:`wait_for_first` of all others."""
        if self._meeting is not None:
            self._meeting.lifeline.say_done(code)

    def wait_for_first(self) -> int:
        """The exit code of rank 0, after :meth:`release`, however long it takes.

        Raises:
            RanksError: It was killed.
        """
        if self._meeting is None:
            return 0
        ending = self._meeting.lifeline.wait_until_done()
        if not ending.sentence:
            raise self._as_error(ending)
        return ending.code

    def close(self, *, failed: bool = False) -> None:
        """Say goodbye, once all have come here; those of a failed one do not come."""
        meeting = self._meeting
        if meeting is None:
            return
        if not failed and not self._is_released:
            self.wait_for_all()
        self._meeting = None
        meeting.lifeline.leave()
        if meeting.owned and not failed and distributed.is_initialized():
            distributed.destroy_process_group()


_alone = Group()
_current: ContextVar[Group] = ContextVar("group", default=_alone)


@contextmanager
def working_alone() -> Iterator[None]:
    """Inside, this process shares nothing with other ranks."""
    token = _current.set(_alone)
    try:
        yield
    finally:
        _current.reset(token)


def current_group() -> Group:
    """The group that was entered; a group of one outside of any."""
    return _current.get()


def _timeout() -> float:
    text = os.environ.get(TIMEOUT_VARIABLE) or str(DEFAULT_TIMEOUT)
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"{TIMEOUT_VARIABLE} must be a number of seconds, got {text[:40]!r}"
        ) from None
