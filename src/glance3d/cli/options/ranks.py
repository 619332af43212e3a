"""How several processes, started by torchrun or srun, share one forward pass."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.distributed.launch import Launch, read_launch
from glance3d.errors import InputError

if TYPE_CHECKING:
    from glance3d.distributed.group import Group

_RANKS = "With --plan: of so many processes, each on a device of its own."


@dataclass(frozen=True)
class RankFlags:
    """Several processes (torchrun, srun) that share the views of one pass; exact."""

    keys: Literal["auto", "gathered", "ring"] = "auto"
    """How each sees all views: everything at once, or in turn, in less memory."""
    ranks: Annotated[
        int | None, tyro.conf.arg(metavar="INT", help=_RANKS, help_behavior_hint="")
    ] = None

    def refuse_impossible(self) -> None:
        """The launcher says how many processes there are.

        Raises:
            InputError: a number of ranks that are not there.
        """
        size = read_launch().size
        if self.ranks not in (None, size):
            raise InputError(
                f"--ranks must be the number of processes without --plan, {size}, got "
                f"{self.ranks}: start so many (torchrun --nproc-per-node {self.ranks} -m glance3d "
                "reconstruct ...)"
            )

    def planned_group(self) -> "Group":
        """The group to plan for: ``ranks``, or as many as there are; it is not joined."""
        from glance3d.distributed.group import Group

        launch = read_launch()
        if self.ranks is not None:
            if self.ranks < 1:
                raise InputError(f"--ranks must be at least 1, got {self.ranks}")
            launch = replace(Launch(), size=self.ranks, local_size=self.ranks)
        return Group(launch, keys=self.keys)
