"""A COLMAP model on disk: where its files lie, and its cameras and poses, text or binary."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from glance3d.errors import CamerasError
from glance3d.formats.colmap.binary import read_binary_cameras, read_binary_images
from glance3d.formats.colmap.observations import (
    ColmapObservations,
    read_binary_observations,
    read_text_observations,
)
from glance3d.formats.colmap.records import ColmapCamera, ColmapImage
from glance3d.formats.colmap.skipped_records import SkippedRecords
from glance3d.formats.colmap.text import read_text_cameras, read_text_images

#: What readers look for in a model's folder: one of these beside ours would make another model.
MODEL_FILES = tuple(
    f"{part}.{suffix}"
    for part in ("cameras", "images", "points3D", "rigs", "frames")
    for suffix in ("bin", "txt")
)
# Where tools put models below a project's folder.
_BELOW_A_PROJECT = ("sparse", "colmap/sparse", "dense/sparse", "distorted/sparse", ".")
_READERS = {
    ".bin": (read_binary_cameras, read_binary_images),
    ".txt": (read_text_cameras, read_text_images),
}
_OBSERVATIONS = {".bin": read_binary_observations, ".txt": read_text_observations}


@dataclass(frozen=True)
class ColmapPoses:
    """Cameras by their ids and images without points; ``warnings`` say what was passed over."""

    folder: Path
    cameras: Mapping[int, ColmapCamera]
    images: tuple[ColmapImage, ...]
    warnings: tuple[str, ...] = ()


def is_colmap_model(path: Path) -> bool:
    """Whether a COLMAP model is at ``path``: a folder, a project above it, or one of its files."""
    return bool(_model_folders(path))


def folder_to_write(path: Path) -> Path:
    """Where the .bin files go: ``path`` may be the project, its ``sparse``, or the model itself."""
    if path.name.isdecimal() and path.parent.name == "sparse":
        return path
    return path / "0" if path.name == "sparse" else path / "sparse" / "0"


def read_colmap_poses(path: Path) -> ColmapPoses:
    """Cameras and poses of the model at ``path``; its points are not read.

    Raises:
        CamerasError: there is none, or several, or it holds no photo.
    """
    folders = _model_folders(path)
    if len(folders) != 1:
        listed = ", ".join(str(folder) for folder in folders) or "none"
        raise CamerasError(f"{path} must hold one COLMAP model, got {listed}")
    folder = folders[0]
    suffix = path.suffix if path.is_file() else _suffixes(folder)[0]
    skipped_cameras, skipped_images = SkippedRecords(), SkippedRecords()
    read_cameras, read_images = _READERS[suffix]
    cameras = read_cameras(folder / f"cameras{suffix}", skipped_cameras)
    images = read_images(folder / f"images{suffix}", skipped_images)
    warnings = [
        *skipped_cameras.warning("not used as intrinsics"),
        *skipped_images.warning("not used as poses"),
    ]
    if not images:
        reason = f": {warnings[-1]}" if skipped_images.count else ""
        raise CamerasError(f"{folder / f'images{suffix}'} holds no photos{reason}")
    return ColmapPoses(folder, cameras, tuple(images), tuple(warnings))


def read_colmap_observations(folder: Path) -> ColmapObservations:
    """The points of the model whose files are in ``folder``, and who sees them where.

    Raises:
        CamerasError: there are no points, or the files are damaged.
    """
    reader = _OBSERVATIONS[_suffixes(folder)[0]] if _suffixes(folder) else None
    if reader is None or not any((folder / f"points3D{suffix}").is_file() for suffix in _READERS):
        raise CamerasError(f"{folder} holds no points of a COLMAP model")
    return reader(folder)


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
