"""``images/``: the photos as the cameras describe them: upright, at their original size.

A file that is that already is copied byte for byte (a copy, not a link: a result that is edited
must not change the user's photo); any other is encoded anew, without an orientation tag. A photo of
the user's is never written over: one that stands in ``images/`` and is what a copy would be is used
in place, and where a copy would collide with a source, the copies go to ``images_upright/``.
"""

import filecmp
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from glance3d.errors import ImageError, MissingExtraError
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.files.atomic import atomic_file
from glance3d.images import open_upright
from glance3d.images.clips import file_of
from glance3d.images.decoding.decode import read_header
from glance3d.images.finding.content import content_of
from glance3d.images.finding.photo_search import find_photo
from glance3d.images.finding.sources import READABLE_SUFFIXES
from glance3d.images.naming.file_names import Photos, photo_file_names
from glance3d.results import shortened
from glance3d.types import Placement, Reconstruction

PHOTOS_FOLDER = "images"
_FORMATS = {".jpg": ("JPEG", "MPO"), ".jpeg": ("JPEG", "MPO"), ".png": ("PNG",)}


def photos_folder(scene: Photos, root: Path) -> Path:
    """The folder under ``root`` where upright copies go: ``images``, unless that would destroy."""
    return _harmless_folder(scene, root / PHOTOS_FOLDER)


def photos_to_write(scene: Photos, path: Path) -> list[Path]:
    """The files that :func:`write_photos` would write for the folder ``path``, as things stand."""
    folder = _harmless_folder(scene, path)
    paths = []
    for view, (name, _, placement) in enumerate(_photos(scene)):
        with suppress(ImageError):
            photo = _photo_path(scene, view)
            is_file = file_of(photo).is_file()
            if is_file and not _is_in_place(photo, folder / name, placement):
                paths.append(folder / name)
    return paths


def write_photos_beside(scene: Reconstruction, root: Path, options: ExportOptions) -> WriteResult:
    """Write the upright copies where camera files in ``root`` expect them."""
    return write_photos(scene, root / PHOTOS_FOLDER, options)


def write_photos(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write every photo whose source is still there; the others become a warning each."""
    final = _harmless_folder(scene, options.final(path))
    folder = path.with_name(final.name)
    paths, warnings = [], []
    if folder != path:
        warnings.append(
            f"{path.name}/ holds photos that a copy would replace: the copies are in {folder.name}/"
        )
    for view, (name, source, placement) in enumerate(_photos(scene)):
        options.keep(source)
        try:
            photo = _photo_path(scene, view)
            if _is_in_place(photo, final / name, placement):
                options.keep(final / name)
            else:
                _write_photo(photo, folder / name, placement)
            paths.append(folder / name)
        except (ImageError, MissingExtraError) as error:
            options.keep(final / name)  # a copy of an earlier result may be all that is left of it
            warnings.append(f"{name} is not in {folder.name}/: {error}")
    strangers = list(_strangers(scene, final, options))
    if strangers:
        warnings.append(
            f"{final.name}/ also holds photos that are not of this scene: {shortened(strangers)}"
        )
    return WriteResult(tuple(paths), tuple(warnings))


def _photo_path(scene: Photos, view: int) -> Path:
    """Where a photo is; a batch's photos were just read. Raises ``ImageError``."""
    if isinstance(scene, Reconstruction):
        return find_photo(scene, view)
    return Path(scene.sources[view])


def _is_in_place(source: Path, final: Path, placement: Placement) -> bool:
    """Whether a file that is as the copy of ``source`` would be stands there."""
    if not (final.is_file() and _is_upright(source, final, placement)):
        return False
    return final.samefile(source) or filecmp.cmp(source, final, shallow=False)


def _strangers(scene: Photos, final: Path, options: ExportOptions) -> Iterator[str]:
    """Names of photos in the folder that are neither the scene's nor ours."""
    if not final.is_dir():
        return
    known_names = {*photo_file_names(scene), *(Path(source).name for source in scene.sources)}
    for path in sorted(final.iterdir()):
        is_photo = path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith(".")
        if is_photo and path.name not in known_names and not options.owns(path):
            yield path.name


def _harmless_folder(scene: Photos, folder: Path) -> Path:
    """``folder``, or one named after it in which no copy takes the place of a source."""
    sources = {Path(source).resolve() for source in scene.sources}

    def replaces_a_source(name: str, source: Path, placement: Placement) -> bool:
        target = (folder / name).resolve()
        is_itself = target == source.resolve() and _is_upright(source, target, placement)
        return target in sources and not is_itself

    while any(replaces_a_source(*photo) for photo in _photos(scene)):
        folder = folder.with_name(f"{folder.name}_upright")
    return folder


def _photos(scene: Photos) -> list[tuple[str, Path, Placement]]:
    names = photo_file_names(scene)
    return list(zip(names, map(Path, scene.sources), scene.placements, strict=True))


def _write_photo(source: Path, target: Path, placement: Placement) -> None:
    """Write one copy. Raises ``ImageError`` or ``MissingExtraError`` where it cannot be read."""
    if _is_upright(source, target, placement):
        if not (target.exists() and target.samefile(source)):
            with atomic_file(target) as temporary:
                shutil.copyfile(source, temporary)
        return
    upright = open_upright(source)
    if upright.size != placement.original_size:
        raise ImageError(f"{source} has changed, it is now {upright.size[0]}x{upright.size[1]}")
    with atomic_file(target) as temporary:
        if target.suffix.lower() == ".png":
            upright.save(temporary, format="PNG", compress_level=1)
        else:
            upright.save(temporary, format="JPEG", quality=95, subsampling=0)


def with_copies(scene: Reconstruction, files: Iterable[Path]) -> Reconstruction:
    """The scene, which knows these upright copies of its photos by content from now on."""
    named = {path.name: path for path in files}
    copies = tuple(
        content_of(named[name]) if name in named else None for name in photo_file_names(scene)
    )
    return replace(scene, copies=copies)


def _is_upright(source: Path, target: Path, placement: Placement) -> bool:
    """Whether the file can be copied as it is: kind, pixels, orientation, size."""
    if not source.is_file():
        return False
    try:
        header = read_header(source)
    except (ImageError, MissingExtraError):
        return False
    return (
        header.format in _FORMATS[target.suffix.lower()]
        and header.mode in ("RGB", "L")
        and header.size == placement.original_size
        and header.exif_orientation == 1
    )
