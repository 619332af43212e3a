"""Which frames of clips become views."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from glance3d.images import ClipSampling

_VIEWS = (
    "At most N frames of every clip. With neither flag: a frame whenever an eighth of the picture "
    "is new, 8 to 32 frames a clip. Frames that show the same are taken once."
)


@dataclass(frozen=True)
class ClipFlags:
    """Which frames of clips become views."""

    fps: Annotated[float | None, tyro.conf.arg(metavar="FPS", help_behavior_hint="")] = None
    """The sharpest frame of every 1/FPS seconds of a clip."""
    views: Annotated[int | None, tyro.conf.arg(metavar="N", help=_VIEWS, help_behavior_hint="")] = (
        None
    )

    def sampling(self) -> "ClipSampling":
        """The same for the library; refuses what contradicts itself."""
        from glance3d.images import ClipSampling

        return ClipSampling(fps=self.fps, views=self.views)
