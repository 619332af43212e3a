"""What a worker is asked for, and what it answers: nouns that go from process to process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from glance3d.batches.scenes import BatchScene


@dataclass(frozen=True)
class SceneTask:
    """One scene to make. ``number`` of its events in the folder ``events`` is the claim for it."""

    scene: BatchScene
    out: Path
    events: Path
    number: int
    log: Path
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    "lost": another worker has taken the scene over, and nothing was written. ``is_worker_gone``:
    the worker ended or should not go on, and the next scene needs a new one.
    """

    name: str
    kind: Literal["done", "failed", "lost"]
    seconds: float
    reason: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    is_worker_gone: bool = False
