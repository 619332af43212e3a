"""What was done with a video."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipSummary:
    """Which frames of one clip became views, and why these.

    ``seconds`` is how long it lasts, ``num_frames`` how many frames were looked at, ``times`` are
    those of the chosen ones, in seconds from its beginning.
    """

    source: str
    seconds: float
    num_frames: int
    times: tuple[float, ...]
    why: str
    warnings: tuple[str, ...] = ()
