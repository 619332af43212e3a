"""``glance3d finetune check``: whether the geometry of photo sets closes."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.errors import Glance3DError, ImageError
from glance3d.files.atomic import to_json_text
from glance3d.text import visible_text

if TYPE_CHECKING:
    from glance3d.photo_sets.conventions import Conventions

_FACTOR = tyro.conf.arg(metavar="FACTOR", help_behavior_hint="")


def _word(metavar: str) -> Any:
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="(default: as the format says)")


@dataclass(frozen=True, kw_only=True)
class ConventionFlags:
    """How the numbers of the files are meant, where that is not as their format says."""

    poses: Annotated[
        Literal["world-to-camera", "camera-to-world"] | None,
        _word("world-to-camera|camera-to-world"),
    ] = None
    """What poses map from and to."""
    axes: Annotated[Literal["opencv", "opengl"] | None, _word("opencv|opengl")] = None
    """Cameras look along +z with y down (opencv), or along -z with y up (opengl)."""
    depth_factor: Annotated[float | None, _FACTOR] = None
    """Depth times this is in the unit of the poses: 0.001 for millimetres and metres."""
    depth_along: Annotated[Literal["z", "ray"] | None, _word("z|ray")] = None
    """Depth is along the camera's axis (z), or the distance from the camera (ray)."""
    intrinsics_factor: Annotated[float | None, _FACTOR] = None
    """Intrinsics are for pictures this many times as large as the photos."""

    def meant(self, stated: "Conventions") -> "Conventions":
        """What the format says, with what was asked for."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return replace(stated, **given)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Count what photo sets hold, and verify that cameras, intrinsics and depth fit each other.

    Depth of one photo is carried into others through the cameras; without depth, a COLMAP model's
    points are projected to where they were seen. Where that does not fit, the usual other ways to
    read the files are tried, and the flags that set the right one are named. The exit code is 1 if
    the geometry of any set does not close, or a set cannot be read; the others are checked all the
    same.

    Example: glance3d finetune check captures/*/
    """

    sets: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="DIR...", help_behavior_hint="(at least one)"),
    ]
    """Folders with cameras.json, transforms.json, a COLMAP model, a TUM RGB-D or ScanNet export."""
    format: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Read the folders as this format, instead of by what is in them."""
    photos: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Where the photos are, if not beside their cameras."""
    json: Flag = False
    """Print JSON instead of lines."""
    conventions: ConventionFlags = field(default_factory=ConventionFlags)


def run(options: Options) -> None:
    """Check every set, print what was found, and fail if one does not close."""
    from glance3d.errors import InputError
    from glance3d.photo_sets import load_photo_set
    from glance3d.photo_sets.checking import advice, check_photo_set, describe_check
    from glance3d.photo_sets.table import stated_conventions

    if not options.sets:
        raise InputError("nothing to check: name folders of photos with cameras")
    checks, unread, records = [], {}, []
    for folder in options.sets:
        try:
            photos = load_photo_set(folder, options.format, options.photos)
            check = check_photo_set(photos, options.conventions.meant(stated_conventions(photos)))
            check = replace(check, name=_called(folder, photos.name))
        except Glance3DError as error:  # the other sets are checked all the same
            unread[folder] = error
            records.append({"name": str(folder), "error": str(error)})
            if not options.json:
                print(f"{visible_text(str(folder))}\n  cannot be read: {visible_text(str(error))}")
            continue
        checks.append(check)
        records.append(check.to_dict())
        if not options.json:
            print(visible_text(describe_check(check), keep="\n"))
    if options.json:
        print(to_json_text(records, indent=1))
    wrong = [check for check in checks if check.closes is False]
    if unread:
        others = f", nor can {len(unread) - 1} more" if len(unread) > 1 else ""
        also = f"; the geometry of {wrong[0].name} does not close" if wrong else ""
        raise ImageError(f"{next(iter(unread.values()))}{others}{also}")
    if wrong:
        raise ImageError(
            f"the geometry of {wrong[0].name} does not close"
            f"{f', nor of {len(wrong) - 1} more' if len(wrong) > 1 else ''}: {advice(wrong[0])}"
        )


def _called(folder: Path, name: str) -> str:
    """The folder as it was named, and what the set calls itself, if that is something else."""
    return str(folder) if folder.name == name else f"{folder} ({name})"
