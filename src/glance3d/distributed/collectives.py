"""What the ranks of a group say to each other: tensors, in calls that all make in one order."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn

from glance3d.distributed.joining import Meeting
from glance3d.distributed.launch import Launch
from glance3d.distributed.lifeline import Ending
from glance3d.errors import RanksError


class Collectives:
    """Of a group of one, ``meeting`` is None: then nothing is said, and nothing changes."""

    def __init__(self, launch: Launch, meeting: Meeting | None) -> None:
        self.launch = launch
        self._meeting = meeting

    @property
    def rank(self) -> int:
        """Which one this is, from 0."""
        return self.launch.rank

    @property
    def size(self) -> int:
        """How many there are."""
        return self.launch.size

    @property
    def is_first(self) -> bool:
        """Whether this one writes and speaks for all."""
        return self.rank == 0

    def gathered(self, part: Tensor, counts: Sequence[int], dim: int = 1) -> Tensor:
        """Every rank's ``part``, one after the other along ``dim``; only its first rows count.

        ``counts`` says how many rows of each rank do; a part must have as many. Padded to the
        largest, so that one collective takes uneven parts.
        """
        if self._meeting is None:
            return part
        rows = part.movedim(dim, 0)[: counts[self.rank]]
        most = max(counts)
        mine = part.new_zeros((most, *rows.shape[1:]))
        mine[: len(rows)] = rows
        everyone = part.new_empty((self.size, *mine.shape))
        with self._speaking():
            distributed.all_gather(
                [_bytes(of_rank) for of_rank in everyone], _bytes(mine), self._of(part)
            )
        if min(counts) == most:
            whole = everyone.flatten(0, 1)
        else:
            whole = torch.cat([of_rank[:n] for of_rank, n in zip(everyone, counts, strict=True)])
        return whole.movedim(0, dim)

    def rotated(
        self, parts: Sequence[Tensor], counts: Sequence[int], dim: int = 1
    ) -> Iterator[tuple[Tensor, ...]]:
        """Every rank's ``parts`` in turn, this one's first; while one is used the next is sent.

        ``counts`` are as in :meth:`gathered`, for all parts alike. Empty ones are left out.
        """
        held = tuple(p.narrow(dim, 0, counts[self.rank]).contiguous() for p in parts)
        after, before = (self.rank + 1) % self.size, (self.rank - 1) % self.size
        for turn in range(self.size):
            owner, following = (self.rank - turn) % self.size, (self.rank - turn - 1) % self.size
            coming: tuple[Tensor, ...] = ()
            waiting: list[Any] = []
            if turn < self.size - 1:
                shapes = [(*p.shape[:dim], counts[following], *p.shape[dim + 1 :]) for p in held]
                coming = tuple(p.new_empty(s) for p, s in zip(held, shapes, strict=True))
                sending = [(p, distributed.isend, after) for p in held if counts[owner]]
                taking = [(p, distributed.irecv, before) for p in coming if counts[following]]
                operations = [
                    distributed.P2POp(call, _bytes(p), peer, self._of(p))
                    for p, call, peer in (*sending, *taking)
                ]
                with self._speaking():
                    waiting = distributed.batch_isend_irecv(operations) if operations else []
            if counts[owner]:
                yield held
            with self._speaking():
                for work in waiting:
                    work.wait()
            held = coming

    def from_first(self, values: Tensor) -> Tensor:
        """Rank 0's numbers, in every rank; shape and precision are the same everywhere."""
        if self._meeting is None:
            return values
        values = values.contiguous()
        with self._speaking():
            distributed.broadcast(_bytes(values), 0, self._of(values))
        return values

    def number_of_first(self, number: float) -> float:
        """Rank 0's number, in every rank."""
        if self._meeting is None:
            return number
        return float(self.from_first(torch.tensor(number, dtype=torch.float64)[None]))

    def numbers_of_first(self, numbers: list[int], limit: int) -> list[int]:
        """Rank 0's whole numbers from 0, at most ``limit`` of them, in every rank."""
        if self._meeting is None:
            return numbers
        padded = torch.tensor([*numbers, *[-1] * (limit - len(numbers))], dtype=torch.int64)
        return [number for number in self.from_first(padded).tolist() if number >= 0]

    def most(self, *numbers: float) -> tuple[float, ...]:
        """The largest of all ranks' numbers, one by one."""
        if self._meeting is None:
            return numbers
        values = torch.tensor(numbers, dtype=torch.float64)
        with self._speaking():
            distributed.all_reduce(values, distributed.ReduceOp.MAX, self._of(values))
        return tuple(values.tolist())

    def added(self, values: Tensor) -> Tensor:
        """The sum over all ranks, in every rank."""
        if self._meeting is None:
            return values
        values = values.clone()
        with self._speaking():
            distributed.all_reduce(values, group=self._of(values))
        return values

    def data_parallel(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are averaged over all ranks, and which starts as rank 0's."""
        if self._meeting is None:
            return module
        device = next(module.parameters()).device.type
        with self._speaking():
            return nn.parallel.DistributedDataParallel(
                module,
                process_group=self._meeting.by_device[device],
                find_unused_parameters=True,
            )

    @contextmanager
    def noticing_failures(self) -> Iterator[None]:
        """Where others are waited for unseen: an error is theirs if one failed, else our own."""
        try:
            yield
        except RuntimeError as error:
            if self._meeting is None:
                raise
            silent = self._meeting.lifeline.silent()
            if not silent and self._meeting.lifeline.failure() is None:
                raise
            raise self._as_error(self._meeting.lifeline.find_failure()) from error

    def wait_for_all(self) -> None:
        """Until every rank has come here."""
        self.most(0.0)

    def _of(self, values: Tensor) -> Any:
        assert self._meeting is not None
        return self._meeting.by_device[values.device.type]

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """An error of a collective, as a sentence."""
        try:
            yield
        except RuntimeError as error:
            assert self._meeting is not None
            failure = self._meeting.lifeline.find_failure()
            self._meeting.lifeline.stop()
            raise self._as_error(failure) from error

    def _as_error(self, failure: Ending) -> RanksError:
        told_by = failure.rank if failure.sentence else None
        return RanksError(failure.describe(self.size), failure.code, told_by)


def _bytes(values: Tensor) -> Tensor:
    """The same memory as bytes: what is moved and not computed with has any precision."""
    return values.view(-1).view(torch.uint8) if values.numel() else values.view(torch.uint8)
