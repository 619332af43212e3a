"""What the loop of a batch asks of those who make its scenes."""

from typing import Protocol, runtime_checkable

from glance3d.batches.workers.tasks import Outcome, SceneTask


@runtime_checkable
class Pool(Protocol):
    """Workers that make scenes."""

    def open(self) -> None:
        """Start them, with the network loaded.

        Raises:
            BatchError: it cannot be loaded.
        """

    @property
    def num_free(self) -> int:
        """How many tasks can be started now."""

    def start(self, task: SceneTask) -> None:
        """Let a free worker make this scene."""

    def wait(self, seconds: float) -> list[Outcome]:
        """The outcomes that have come since; waits for one, but no longer than this."""

    def close(self) -> None:
        """End all workers; what they have begun is removed."""
