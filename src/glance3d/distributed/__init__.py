"""Several processes that work as one, each a rank: on one GPU each, on one machine or many.

:meth:`Group.from_env <glance3d.distributed.group.Group.from_env>` joins what torchrun, SLURM or Ray
started. Inside ``with group:`` a network's forward splits its views over the ranks, and gives all
of them the same predictions, those of one process to rounding. Outside, and where nothing is set,
there is a group of one, which does nothing. Importing this loads nothing heavy.
"""

from typing import TYPE_CHECKING, Any

from glance3d.distributed.launch import Launch, read_launch

if TYPE_CHECKING:
    from glance3d.distributed.group import Group as Group

__all__ = ["Group", "Launch", "read_launch"]


def __getattr__(name: str) -> Any:
    """The group needs torch: it is imported when it is first used (PEP 562)."""
    if name != "Group":
        raise AttributeError(f"glance3d.distributed has no attribute {name!r}")
    from glance3d.distributed.group import Group

    return Group
