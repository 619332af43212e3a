"""What a person knows of a scene's cameras and size: flags that several commands share.

A command has them as a field ``known: MetricFlags``, reads the words with
:func:`read_known_quantities` before the long work, and takes ``constraints_for(scene)`` after it.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.errors import InputError

if TYPE_CHECKING:
    from glance3d.known_cameras import KnownCameras, KnownViews
    from glance3d.metric_scale import KnownDepth, KnownDepthMap, KnownDistance, MetricConstraints
    from glance3d.types import Reconstruction, Report

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


@dataclass(frozen=True)
class KnownQuantities:
    """The words of :class:`MetricFlags`, understood."""

    cameras: "KnownCameras | None" = None
    gps: bool = False
    distances: "tuple[KnownDistance, ...]" = field(default=())
    depths: "tuple[KnownDepth | KnownDepthMap, ...]" = field(default=())

    def __bool__(self) -> bool:
        return self.cameras is not None or self.gps or bool(self.distances or self.depths)

    def known_views(self, scene: "Reconstruction") -> "KnownViews | None":
        """What is known of the scene's own photos."""
        from glance3d.known_cameras import match_known_cameras, settle_by_poses

        if self.cameras is None:
            return None
        return settle_by_poses(match_known_cameras(self.cameras, scene), scene)

    def constraints_for(self, scene: "Reconstruction") -> "MetricConstraints":
        """What ``apply_metric_scale`` takes."""
        from glance3d.metric_scale import KnownPoses, MetricConstraints

        views = self.known_views(scene)
        has_poses = views is not None and bool(views.has_pose.any())
        return MetricConstraints(
            poses=KnownPoses(views.cam_from_world, views.world, views.units)
            if views is not None and has_poses
            else None,
            gps=self.gps,
            distances=self.distances,
            depths=self.depths,
        )


def read_known_quantities(options: MetricFlags) -> KnownQuantities:
    """Read the files and understand the words; refuses now what would only come to light later.

    Raises:
        InputError: a word that is not understood.
        CamerasError: the cameras cannot be read.
    """
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


def in_metres(scene: "Reconstruction", quantities: KnownQuantities) -> "Reconstruction":
    """The scene by what is known, its report saying also which known cameras contradict it.

    What says nothing of size or place, intrinsics alone, changes nothing.
    """
    from glance3d.known_cameras import measure_disagreement
    from glance3d.metric_scale import apply_metric_scale

    constraints = quantities.constraints_for(scene)
    if not constraints:
        return scene
    views = quantities.known_views(scene)
    moved = apply_metric_scale(scene, constraints)
    if views is None:
        return moved
    described = views.describe()
    if views.has_pose.any():
        estimated = scene.cameras.cam_from_world
        disagreement = measure_disagreement(scene.names, views.cam_from_world, estimated)
        described["disagreement"] = disagreement.describe()
    return replace(moved, report=replace(moved.report, known_cameras=described))


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
