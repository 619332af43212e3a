"""A COLMAP model's cameras, text or binary: ``cameras`` and ``images`` as .txt or .bin.

COLMAP's quaternions are stored w x y z, its pixels have their origin at the top-left pixel's corner
as ours do. Points, rigs and frames, which may lie beside, are not read: the photos' poses say all.
"""

from pathlib import Path

from glance3d.errors import CamerasError
from glance3d.formats.colmap.binary import read_binary_cameras, read_binary_images
from glance3d.formats.colmap.records import (
    NUM_PARAMETERS,
    ColmapCamera,
    ColmapImage,
    Oddities,
)
from glance3d.formats.colmap.text import read_text_cameras, read_text_images
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras
from glance3d.text import first_names

# Where tools put models below a project's folder.
_BELOW_A_PROJECT = ("sparse", "colmap/sparse", "dense/sparse", "distorted/sparse", ".")


def is_colmap_model(path: Path) -> bool:
    """Whether a COLMAP model is at ``path``: a folder, a project above it, or one of its files."""
    return bool(_model_folders(path))


def read_colmap_model(path: Path) -> KnownCameras:
    """The cameras of the model at ``path``. Raises ``CamerasError`` that says what is wrong."""
    folders = _model_folders(path)
    if len(folders) != 1:
        listed = ", ".join(str(folder) for folder in folders) or "none"
        raise CamerasError(f"one COLMAP model is wanted at {path}, found: {listed}")
    folder = folders[0]
    suffix = path.suffix if path.is_file() else _suffixes(folder)[0]
    not_cameras, not_images = Oddities(), Oddities()
    read_cameras, read_images = _READERS[suffix]
    cameras = read_cameras(folder / f"cameras{suffix}", not_cameras)
    images = read_images(folder / f"images{suffix}", not_images)
    warnings = [
        *not_cameras.warning("not used as intrinsics"),
        *not_images.warning("not used as poses"),
    ]
    if not images:
        reason = f": {warnings[-1]}" if not_images.count else ""
        raise CamerasError(f"{folder / f'images{suffix}'} holds no photos{reason}")
    return _known(folder, cameras, images, warnings)


_READERS = {
    ".bin": (read_binary_cameras, read_binary_images),
    ".txt": (read_text_cameras, read_text_images),
}


def _model_folders(path: Path) -> list[Path]:
    """Where the files lie: ``path``, the models below it, or the folder it lies in."""
    if path.is_file():
        is_named = path.stem in ("cameras", "images") and path.suffix in _suffixes(path.parent)
        return [path.parent] if is_named else []
    if _suffixes(path):
        return [path]
    for below in _BELOW_A_PROJECT:
        parent = path / below
        models = [f for f in (parent, *sorted(parent.glob("[0-9]*"))) if _suffixes(f)]
        if models:
            return models
    return []


def _suffixes(folder: Path) -> list[str]:
    """In which of the two ways the model's files are there."""
    return [
        suffix
        for suffix in _READERS
        if all((folder / f"{name}{suffix}").is_file() for name in ("cameras", "images"))
    ]


def _known(
    folder: Path,
    cameras: dict[int, ColmapCamera],
    images: list[ColmapImage],
    warnings: list[str],
) -> KnownCameras:
    lenses = {number: camera.lens() for number, camera in cameras.items()}
    known = []
    for image in images:
        camera, lens = cameras.get(image.camera_id), lenses.get(image.camera_id)
        known.append(
            KnownCamera(
                image.name,
                image.cam_from_world,
                None if lens is None else lens.intrinsics,
                0.0 if lens is None else lens.radial,
                None if camera is None else camera.size,
            )
        )
    warnings += sorted({lens.warning for lens in lenses.values() if lens and lens.warning})
    warnings += _without_lens(cameras, images)
    return KnownCameras(
        source=str(folder),
        format="COLMAP",
        cameras=tuple(known),
        world=f"the COLMAP model {folder.name}",
        warnings=tuple(f"{folder}: {warning}" for warning in warnings),
    )


def _without_lens(cameras: dict[int, ColmapCamera], images: list[ColmapImage]) -> list[str]:
    """Why some photos have poses only."""
    missing = sorted({image.camera_id for image in images} - set(cameras))
    models = {camera.model for camera in cameras.values() if camera.lens() is None}
    unknown = sorted(models - set(NUM_PARAMETERS))
    others = sorted(models & set(NUM_PARAMETERS))
    warnings = []
    if missing:
        named = first_names([str(camera_id) for camera_id in missing])
        warnings.append(
            f"the cameras {named} of its photos are not in it: only their poses are used"
        )
    if unknown:
        known = ", ".join(NUM_PARAMETERS)
        warnings.append(
            f"cameras of the model {', '.join(unknown)[:80]} are unknown: only their poses are "
            f"used; known: {known}"
        )
    if others:
        warnings.append(
            f"cameras of the model {', '.join(others)} are no pinholes: only their poses are used; "
            "undistort the photos to use their intrinsics"
        )
    return warnings
