"""Many scenes by one recipe: on one machine, on many that share a folder, or on a Ray cluster.

A batch is a list of scenes, a folder with a result for each, and a ledger in it
(:mod:`glance3d.batches.ledger`) that says what became of each, which any number of workers share.
Whoever runs the same batch again goes on where it stopped. Importing this loads nothing heavy.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glance3d.batches.front import batch as batch
    from glance3d.batches.front import run_batch as run_batch

__all__ = ["batch", "run_batch"]


def __getattr__(name: str) -> Any:
    """What needs the networks is imported when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"glance3d.batches has no attribute {name!r}")
    from glance3d.batches import front

    return getattr(front, name)
