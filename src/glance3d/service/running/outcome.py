"""What the process of a job answers. Importing this loads nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class JobOutcome:
    """What came of it: a reason where it failed."""

    reason: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether there is a result."""
        return not self.reason
