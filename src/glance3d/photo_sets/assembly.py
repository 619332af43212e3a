"""A photo set of the cameras that a file states and the photos that lie beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from glance3d.errors import CamerasError, ImageError
from glance3d.files.name_keys import composed
from glance3d.images.decoding.decode import PhotoHeader, read_header
from glance3d.images.files.file_kinds import READABLE_SUFFIXES
from glance3d.images.finding.sources import find_sources
from glance3d.known_cameras import KnownCameras, match_views
from glance3d.text import first_names
from glance3d.types import Cameras

# Where photos lie beside a file that names them otherwise, in the order in which they are tried.
_PHOTO_FOLDERS = ("images", "images_undistorted", "rgb", "color", ".")


@dataclass(frozen=True)
class PhotosWithCameras:
    """Photos that have both a pose and intrinsics; ``orientations`` are EXIF's, 1 is upright."""

    paths: tuple[Path, ...]
    cameras: Cameras
    orientations: tuple[int, ...]
    warnings: tuple[str, ...]


def photos_with_cameras(
    known: KnownCameras, folder: Path, photos: Path | None = None
) -> PhotosWithCameras:
    """The photos that ``known`` names, in ``photos`` or else in or below ``folder``.

    Raises:
        ImageError: there are none, or none has a whole camera.
    """
    paths = find_named_photos([camera.name for camera in known.cameras], folder, photos)
    headers = photo_headers(paths)
    views = match_views(
        known,
        [path.name for path in paths],
        [header.size for header in headers],
        sources=list(map(str, paths)),
        orientations=[header.exif_orientation for header in headers],
    )
    whole = (views.has_pose & views.has_intrinsics).tolist()
    if not any(whole):
        why = f": {views.warnings[0]}" if views.warnings else ""
        raise CamerasError(f"{known.source} has no photo with both a pose and intrinsics{why}")
    index = torch.tensor([view for view, kept in enumerate(whole) if kept])
    radial = views.radial[index]
    warnings = list(views.warnings)
    if views.ambiguous:
        warnings.append(
            f"whether the cameras of {first_names(views.ambiguous)} are of the upright or of the "
            "stored pixels is not clear: they are taken as upright"
        )
    cameras = Cameras(
        views.cam_from_world[index],
        views.intrinsics[index],
        torch.tensor([headers[view].size for view in index.tolist()]),
        radial if bool(radial.any()) else None,
    )
    kept = [(paths[view], headers[view].exif_orientation) for view in index.tolist()]
    return PhotosWithCameras(
        tuple(path for path, _ in kept), cameras, tuple(turn for _, turn in kept), tuple(warnings)
    )


def photo_headers(paths: Sequence[Path]) -> list[PhotoHeader]:
    """Size and orientation of each photo. Raises ``ImageError`` that names the one without."""
    headers = []
    for path in paths:
        try:
            headers.append(read_header(path))
        except ImageError as error:
            raise ImageError(f"{path} cannot be read: {error}") from error
    return headers


def refuse_other_sizes(
    paths: Sequence[Path], sizes: Sequence[tuple[int, int]], said_by: str
) -> None:
    """An ``ImageError`` where a photo has not the (width, height) that its camera is for."""
    for path, header, size in zip(paths, photo_headers(paths), sizes, strict=True):
        if header.size != size:
            raise ImageError(
                f"{path} must be {size[0]} x {size[1]} pixels as {said_by} says, got "
                f"{header.size[0]} x {header.size[1]}: take the photos that its cameras are for, "
                "or scale their size and intrinsics"
            )


def shared_size(paths: Sequence[Path]) -> tuple[int, int]:
    """The (width, height) that all photos have, as one camera took them.

    Raises:
        ImageError: one has another than the first, or cannot be read.
    """
    size = photo_headers(paths[:1])[0].size
    refuse_other_sizes(paths, [size] * len(paths), f"the first, {paths[0].name},")
    return size


def find_named_photos(
    names: Sequence[str | None], folder: Path, photos: Path | None = None
) -> list[Path]:
    """The files of these names below ``folder``, else all photos in its folder of photos.

    A name that leads out of ``folder`` is not followed: its last part is looked for inside.
    """
    if photos is not None:
        return list(find_sources(photos).paths)
    roots = [folder / name for name in _PHOTO_FOLDERS if (folder / name).is_dir()]
    named = [path for name in names if name and (path := _file_below(roots, name))]
    if named:
        return list(dict.fromkeys(named))
    for root in roots:
        if any(path.suffix.lower() in READABLE_SUFFIXES for path in root.iterdir()):
            return list(find_sources(root).paths)
    raise ImageError(
        f"{folder} has none of the photos that its cameras name "
        f"({first_names([name for name in names if name])}): name their folder (--photos)"
    )


def file_inside(folder: Path, name: str) -> Path | None:
    """The file of this relative name; None where there is none, or the name leads out.

    Composed and decomposed characters are the same.
    """
    parts = _parts(name)
    try:
        if not parts or _leads_out(parts):
            return None
        path = folder.joinpath(*parts)
        if not path.exists() and not name.isascii():
            path = _spelled_otherwise(folder, parts)
        return path if path is not None and path.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


def _parts(name: str) -> tuple[str, ...]:
    return Path(name.replace("\\", "/")).parts


def _leads_out(parts: Sequence[str]) -> bool:
    return Path(*parts).is_absolute() or ".." in parts


def _spelled_otherwise(folder: Path, parts: Sequence[str]) -> Path | None:
    """The path whose parts are these but for composed characters."""
    path: Path | None = folder
    for part in parts:
        if path is None or not path.is_dir():
            return None
        alike = (one for one in path.iterdir() if composed(one.name) == composed(part))
        path = path / part if (path / part).exists() else next(alike, None)
    return path


def _file_below(roots: Sequence[Path], name: str) -> Path | None:
    """The first file of that name within one of the roots; of its last part, if it leads out."""
    parts = _parts(name)
    inner = parts[-1] if parts and _leads_out(parts) else name
    return next((file for root in roots if (file := file_inside(root, inner))), None)


def files_below(folder: Path, names: Mapping[int, str | None], count: int) -> list[Path | None]:
    """For each of ``count`` photos the file named for it, None where there is none inside.

    Of a name that is not inside, as one from another machine, the longest end counts that is, with
    a folder of its own.
    """
    known = (names.get(view) for view in range(count))
    return [_file_of_end(folder, name) if name else None for name in known]


def _file_of_end(folder: Path, name: str) -> Path | None:
    parts = _parts(name)
    ends = ("/".join(parts[start:]) for start in range(max(1, len(parts) - 1)))
    return next((file for end in ends if (file := file_inside(folder, end))), None)
