"""What a person knows of a scene's cameras and size: flags that several commands share.

A command has them as a field ``known: MetricFlags``, reads the words with
:func:`read_known_quantities` before the long work, and takes ``in_metres`` after it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.errors import InputError

if TYPE_CHECKING:
    from glance3d.metric_scale import KnownDepth, KnownDepthMap, KnownDistance
    from glance3d.metric_scale.known_quantities import KnownQuantities
    from glance3d.types import Report

_NUMBER = r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
_PIXEL = rf"{_NUMBER},{_NUMBER}"
_DISTANCE = re.compile(rf"(.+):{_PIXEL}:{_PIXEL}={_NUMBER}")
_DEPTH = re.compile(rf"(.+):{_PIXEL}={_NUMBER}")
_DEPTH_MAP = re.compile(rf"(.+?)=(.+?)(?:@{_NUMBER})?")


@dataclass(frozen=True)
class MetricFlags:
    """Known cameras, and what gives lengths in metres."""

    cameras: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Known cameras: a cameras.json, COLMAP model, transforms.json or TUM trajectory."""
    cameras_in_metres: Flag = False
    """Lengths in that file are metres (a cameras.json says so itself)."""
    gps: Flag = False
    """Metres and an east-north-up world, from the positions in the photos' EXIF."""
    known_distance: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="PHOTO:X,Y:X,Y=METRES...", help_behavior_hint="")
    ] = ()
    """The true distance between what two pixels of an original, upright photo show."""
    known_depth: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="PHOTO:X,Y=METRES|PHOTO=FILE[@STEP]...", help_behavior_hint=""),
    ] = ()
    """The true depth along the optical axis, or a depth map (.npy, or .png times STEP metres)."""


def read_known_quantities(options: MetricFlags) -> "KnownQuantities":
    """Read the files and understand the words; refuses now what would only come to light later.

    Raises:
        InputError: a word that is not understood.
        CamerasError: the cameras cannot be read.
    """
    from glance3d.metric_scale.known_quantities import KnownQuantities

    if options.cameras_in_metres and options.cameras is None:
        raise InputError("--cameras-in-metres needs known cameras: give them with --cameras FILE")
    cameras = None
    if options.cameras is not None:
        from glance3d.known_cameras import load_known_cameras

        units = "metre" if options.cameras_in_metres else None
        cameras = load_known_cameras(options.cameras, units=units)
    return KnownQuantities(
        cameras=cameras,
        gps=options.gps,
        distances=tuple(parse_distance(word) for word in options.known_distance),
        depths=tuple(parse_depth(word) for word in options.known_depth),
    )


def parse_distance(word: str) -> "KnownDistance":
    """``door.jpg:120,340:122,80=2.03``."""
    from glance3d.metric_scale import KnownDistance

    parts = _DISTANCE.fullmatch(word)
    if parts is None:
        raise InputError(
            "a known distance is PHOTO:X,Y:X,Y=METRES such as a.jpg:120,340:122,80=2.03, got "
            f"{word!r}"
        )
    x1, y1, x2, y2, metres = map(float, parts.groups()[1:])
    return KnownDistance(parts[1], (x1, y1), (x2, y2), metres)


def parse_depth(word: str) -> "KnownDepth | KnownDepthMap":
    """``a.jpg:320,240=4.2``, ``a.jpg=depth.npy`` or ``a.jpg=depth.png@0.001``."""
    from glance3d.metric_scale import KnownDepth, KnownDepthMap

    at_pixel = _DEPTH.fullmatch(word)
    if at_pixel is not None:
        x, y, metres = map(float, at_pixel.groups()[1:])
        return KnownDepth(at_pixel[1], (x, y), metres)
    of_photo = _DEPTH_MAP.fullmatch(word)
    if of_photo is None:
        raise InputError(
            "a known depth is PHOTO:X,Y=METRES such as a.jpg:320,240=4.2, or PHOTO=FILE such as "
            f"a.jpg=depth.png@0.001, got {word!r}"
        )
    path = Path(of_photo[2])
    if not path.is_file():
        raise InputError(f"there is no depth map {path} (known depth: {word!r})")
    return KnownDepthMap(of_photo[1], path, float(of_photo[3] or 1.0))


def metric_summary(report: "Report") -> list[str]:
    """What was found out about metres, for a person; nothing where nothing was known of them."""
    section = report.metric_scale
    if section is None:
        return []
    lines = []
    if section.applied:
        interval = section.interval_95
        sure = f" (95 %: {interval[0]:.4g} to {interval[1]:.4g})" if interval else ""
        lines.append(
            f"lengths are in metres, by {section.scale_by}: one unit of before is "
            f"{section.metres_per_unit:.4g} m{sure}"
        )
    else:
        lines.append(f"no scale was applied: lengths are in {section.units} units")
    if section.frame_by:
        lines.append(f"the world is {section.world}, by {section.frame_by}")
    doubts = (warning for warning in report.warnings if warning.stage == "metric_scale")
    return [*lines, *(f"doubt: {doubt}" for doubt in doubts)]
