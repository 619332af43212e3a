"""Which frames of clips become views: options that several commands share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from glance3d.images import ClipSampling


@dataclass(frozen=True)
class ClipOptions:
    """Which frames of clips become views."""

    fps: Annotated[float | None, tyro.conf.arg(metavar="FPS", help_behavior_hint="")] = None
    """Of every clip one frame for each 1/FPS seconds, the sharpest."""
    views: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """At most N frames of every clip. With neither, a new view whenever an eighth of the picture
    has moved on, 8 to 32 a clip. Frames that show the same are one view."""

    def sampling(self) -> "ClipSampling":
        """The same for the library; refuses what contradicts itself."""
        from glance3d.images import ClipSampling

        return ClipSampling(fps=self.fps, views=self.views)
