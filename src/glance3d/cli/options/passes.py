"""What the network predicts, and how it is shown the views."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from glance3d.errors import InputError
from glance3d.pass_options import PassOptions

_WINDOW = (
    "Approximate: show the network this many photos at a time, in overlapping windows that are "
    "then aligned."
)
_REFERENCE = (
    "The photo that the network sees first; the world is its camera's frame. auto: the photo that "
    "is most like the others."
)

_Window = Annotated[int | None, tyro.conf.arg(metavar="VIEWS", help=_WINDOW, help_behavior_hint="")]
_Overlap = Annotated[
    int | None,
    tyro.conf.arg(
        metavar="VIEWS",
        help="How many photos neighbouring windows share at least.",
        help_behavior_hint="(default: a quarter of a window)",
    ),
]


@dataclass(frozen=True)
class WindowFlags:
    """How the network is shown the views."""

    window: _Window = None
    overlap: _Overlap = None

    def options(self) -> PassOptions:
        """The same for the library; refuses what contradicts itself."""
        return PassOptions(window=self.window, overlap=self.overlap)


@dataclass(frozen=True)
class PassFlags:
    """What the network predicts, and how it is shown the views."""

    outputs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ("camera", "depth")
    """What to predict: camera, depth, points, tracks."""
    query: Annotated[tuple[str, ...], tyro.conf.arg(metavar="X,Y...", help_behavior_hint="")] = ()
    """Pixels of the original reference photo to follow through all views."""
    reference: Annotated[str, tyro.conf.arg(metavar="first|auto|PHOTO", help=_REFERENCE)] = "first"
    attention: Literal["full", "thin", "near"] = "full"
    """thin and near are approximate, with fewer keys in the global layers. thin: some of every
    view, faster from 9 views on. near: those of the 16 views most alike, from 17 on; time then
    grows with the views and not their square."""
    window: _Window = None
    overlap: _Overlap = None
    cameras_from: Literal["decoder", "rays"] = "decoder"
    """rays: of networks that predict them (da3-...); slower, another estimate."""

    def options(self) -> PassOptions:
        """The same for the library; refuses what contradicts itself. A scene has cameras."""
        return PassOptions(
            ("camera", *split_commas(self.outputs)),
            parse_pixels(self.query) or None,
            self.attention,
            self.window,
            self.overlap,
            self.reference,
            self.cameras_from,
        )


def parse_pixels(words: tuple[str, ...]) -> list[tuple[float, float]]:
    """``("10,20", ...)`` as pixels (x, y)."""
    pixels = []
    for word in words:
        try:
            x, y = map(float, word.split(","))
        except ValueError:
            raise InputError(f"a query is a pixel such as 320,240, got {word!r}") from None
        pixels.append((x, y))
    return pixels


def split_commas(words: tuple[str, ...]) -> tuple[str, ...]:
    """Both ``camera depth`` and ``camera,depth`` are understood."""
    return tuple(part for word in words for part in word.split(",") if part)
