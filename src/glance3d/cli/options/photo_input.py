"""How photos become the network's images, and which part of them counts."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from glance3d.cli.options.clips import ClipFlags

if TYPE_CHECKING:
    from glance3d.images import InputOptions

_PREPROCESS = (
    "How photos are resized. model: as the model wants it; fit: the whole photo at its aspect "
    "ratio; crop, pad: as VGGT was published; the others: as Depth Anything 3 was, by the longer "
    "(upper) or shorter (lower) side, with photos of different shapes cropped to the smallest; "
    "upper_bound_pad: nothing is cropped."
)
_MASK_INPUT = (
    "Hide what masks exclude from the network as well. By default it sees whole photos, because "
    "silhouettes mislead it."
)


@dataclass(frozen=True)
class InputFlags:
    """What the network sees of the photos."""

    masks: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder of masks, named like the photos; black pixels are excluded everywhere."""
    mask_input: Annotated[bool, tyro.conf.arg(help=_MASK_INPUT, help_behavior_hint="")] = False
    preprocess: Annotated[
        Literal[
            "model",
            "fit",
            "crop",
            "pad",
            "upper_bound_resize",
            "upper_bound_crop",
            "lower_bound_resize",
            "lower_bound_crop",
            "upper_bound_pad",
        ],
        tyro.conf.arg(help=_PREPROCESS),
    ] = "model"
    max_pixels: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Pixels per view that the network sees (fit and upper_bound_pad): fewer are faster and need
    less memory."""

    def options(self, clips: ClipFlags) -> "InputOptions":
        """The same for the library; refuses what contradicts itself."""
        from glance3d.images import InputOptions

        changes: dict[str, Any] = {}
        if self.preprocess != "model":
            changes["mode"] = self.preprocess
        if self.max_pixels is not None:
            changes["max_pixels"] = self.max_pixels
        return InputOptions(changes, self.masks, self.mask_input, clips.sampling())
