"""Where the photos of a saved scene are, for every command that reads them again."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.errors import InputError

if TYPE_CHECKING:
    from glance3d.types import Reconstruction


@dataclass(frozen=True)
class PhotoFlags:
    """Where the scene's photos are, if they have moved."""

    photos: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder that holds the scene's photos now; they are recognised by their content."""
    photos_by_name: Flag = False
    """Take files of the same names and sizes in --photos, even if their content differs."""


def load_with_photos(path: Path, options: PhotoFlags) -> "Reconstruction":
    """The saved scene, its photos where the options say that they are."""
    from glance3d.exporters import load_scene
    from glance3d.images import with_photos

    if options.photos is None:
        if options.photos_by_name:
            raise InputError("--photos-by-name needs the folder of the photos: give --photos DIR")
        return load_scene(path)
    by = "name" if options.photos_by_name else "content"
    return with_photos(load_scene(path), options.photos, by)
