"""Which files an export is going to write, known before the work: for the guard of its folder."""

from collections.abc import Iterable
from pathlib import Path

from glance3d.exporters.photos import photos_to_write
from glance3d.exporters.table import FORMATS
from glance3d.images.naming.file_names import Photos
from glance3d.results import Claims


def claims_of(
    name: str, path: Path, root: Path, photos: Photos | None, *, companions: bool = False
) -> Claims:
    """Of one format at ``path``, in the result's folder ``root``.

    Without ``photos``, which are not known before they are read, what depends on their names is
    left out.
    """
    exporter = FORMATS[name]
    _, target = exporter.place(path)
    inside = target.relative_to(root).as_posix()
    if name == "images":
        written = () if photos is None else photos_to_write(photos, target)
        claims = Claims(files=tuple(file.relative_to(root).as_posix() for file in written))
    elif exporter.names is not None:
        names = () if photos is None else exporter.names(photos)
        claims = Claims(
            files=tuple(f"{inside}/{file}" for file in names),
            folders=(inside,),
            absent=tuple(f"{inside}/{file}" for file in exporter.absent),
        )
    else:
        claims = Claims(files=(inside,))
    beside = [target.parent / file for file in exporter.beside]
    claims += Claims(files=tuple(file.relative_to(root).as_posix() for file in beside))
    return claims + scene_claims(root, exporter.companions if companions else (), photos)


def scene_claims(root: Path, formats: Iterable[str], photos: Photos | None) -> Claims:
    """Of a folder with these formats, each at its usual place."""
    has_masks = photos is not None and any(photos.masks)
    claims = Claims()
    for name in formats:
        exporter = FORMATS[name]
        if has_masks or not exporter.only_with_masks:
            claims += claims_of(name, root / exporter.path_in_folder, root, photos)
    return claims


def usual_formats() -> list[str]:
    """The formats that a folder holds unless others are asked for."""
    return [name for name, exporter in FORMATS.items() if not exporter.on_request]
