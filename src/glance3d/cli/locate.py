"""``glance3d locate``: where photos were taken, in a scene that stays as it is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from glance3d.cli.options.clips import ClipFlags
from glance3d.cli.options.flag import Flag
from glance3d.cli.options.model import ModelFlags
from glance3d.cli.options.output import home_of
from glance3d.cli.options.photos import PhotoFlags, load_with_photos
from glance3d.errors import InputError
from glance3d.files.atomic import save_json, to_json_text

if TYPE_CHECKING:
    from glance3d.images import ClipSampling
    from glance3d.incremental import LocatedPhoto
    from glance3d.types import Reconstruction


@dataclass(frozen=True, kw_only=True)
class Options:
    """Say where photos were taken, in the frame of a saved scene: nothing is added to it.

    Photos are matched with the scene's photos that look most alike; their cameras follow from the
    scene's points. The verdict on each is located, uncertain or not found. Needs pycolmap.

    Example: glance3d locate where.jpg --in scene/
    """

    photos: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="PHOTO...", help_behavior_hint="(at least one)"),
    ]
    """Photos or clips, folders of them, or globs in quotes."""
    scene: Annotated[Path, tyro.conf.arg(name="in", metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Write the result as JSON to this file."""
    overwrite: Flag = False
    """Replace that file even if Glance3D did not write it, or it was changed since."""
    json: Flag = False
    """Print the result as JSON, and nothing else, to stdout."""
    progress: Flag = False
    """Show progress bars even where stderr is not a terminal."""
    model: ModelFlags = field(default_factory=ModelFlags)
    clips: Annotated[ClipFlags, tyro.conf.arg(name="clip")] = field(default_factory=ClipFlags)
    located: Annotated[PhotoFlags, tyro.conf.arg(name="scene photo")] = field(
        default_factory=PhotoFlags
    )


def run(options: Options) -> None:
    """Locate, write what was asked for, and say what was found."""
    if not options.photos:
        raise InputError("got no photos: glance3d locate PHOTO... --in SCENE")
    if options.out is not None and options.out.is_dir():
        raise InputError(f"--out must be a file, got the folder {options.out}: name a file in it")
    sampling = options.clips.sampling()

    scene = load_with_photos(options.scene, options.located)
    with _file_to_write(options.out, overwrite=options.overwrite) as write:
        found = _located(options, scene, sampling)
        content = {
            "scene": str(options.scene),
            "world": scene.world,
            "units": scene.units,
            "photos": [photo.to_json() for photo in found],
        }
        write(content)
    if options.json:
        print(to_json_text(content, indent=1))
        return
    for photo in found:
        print("\n".join(_lines(photo, scene)))
    if options.out is not None:
        print(f"wrote {options.out}")


def _located(
    options: Options, scene: "Reconstruction", sampling: "ClipSampling"
) -> "tuple[LocatedPhoto, ...]":
    from glance3d.incremental import locate_in_scene

    return locate_in_scene(
        scene,
        options.photos,
        options.model.source(),
        sampling,
        folder=home_of(options.scene) / "images",
        progress=options.progress or sys.stderr.isatty(),
    )


@contextmanager
def _file_to_write(path: Path | None, *, overwrite: bool) -> Iterator[Callable[[object], None]]:
    """What writes JSON to the file, which is claimed before the work; nothing without a file."""
    from glance3d.results import Claims, open_result

    if path is None:
        yield lambda _: None
        return
    with open_result(path.parent, overwrite=overwrite) as result:
        result.claim(Claims(files=(path.name,)))

        def write(content: object) -> None:
            with result.staged() as staging:
                save_json(staging.staged(path), content)

        yield write


def _lines(photo: "LocatedPhoto", scene: "Reconstruction") -> list[str]:
    """What is known of one photo, for a person."""
    lines = [f"{photo.name}: {photo.verdict}: {'; '.join(photo.reasons)}"]
    position, intrinsics = photo.position, photo.intrinsics
    if position is None or intrinsics is None:
        return lines
    unit = "m" if scene.units == "metre" else "units"
    x, y, z = position.tolist()
    lines.append(
        f"  at ({x:.3f}, {y:.3f}, {z:.3f}) {unit}, +- {photo.position_sigma:.2g} along each axis; "
        f"direction +- {photo.rotation_sigma_deg:.2g} degrees"
    )
    focal = f"{float(intrinsics[0, 0]):.0f} px"
    by = {"scene": "as the scene's", "exif": "from EXIF", "matches": "estimated"}
    sigma = f", +- {photo.focal_sigma:.2g}" if photo.focal_sigma else ""
    lines.append(
        f"  focal length {focal} ({by.get(photo.focal_from or '', '')}{sigma}); "
        f"beside {', '.join(photo.seen_beside)}"
    )
    return lines
