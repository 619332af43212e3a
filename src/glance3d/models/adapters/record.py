"""Which adapter is in a network."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AdapterRecord:
    """Which adapter is in a network: its file, the SHA-256 of that, and how much it changes."""

    path: Path
    sha256: str
    rank: int
    num_layers: int
