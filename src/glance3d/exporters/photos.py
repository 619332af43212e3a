"""``images/``: the photos as the cameras describe them: upright, at their original size.

A file that is that already is copied byte for byte (a copy, not a link: a result that is edited
must not change the user's photo); any other is encoded anew, without an orientation tag. A photo of
the user's is never written over: where ``images/`` holds the sources themselves and a copy would
collide with one, the copies go to ``images_upright/``.
"""

import shutil
from pathlib import Path

from PIL import Image

from glance3d.errors import Glance3DError
from glance3d.exporters.file_names import photo_file_names
from glance3d.exporters.options import ExportOptions, Written
from glance3d.files import atomic_file
from glance3d.images import open_upright
from glance3d.types import Placement, Reconstruction

PHOTOS_FOLDER = "images"
_FORMATS = {".jpg": ("JPEG", "MPO"), ".jpeg": ("JPEG", "MPO"), ".png": ("PNG",)}
_EXIF_ORIENTATION = 0x0112


def photos_folder(scene: Reconstruction, root: Path) -> Path:
    """The folder under ``root`` where upright copies go: ``images``, unless that would destroy."""
    folder = root / PHOTOS_FOLDER
    sources = {Path(source).resolve() for source in scene.sources}
    for name, source, placement in _photos(scene):
        target = folder / name
        if target.resolve() in sources and not (
            target.resolve() == source.resolve() and _is_upright(source, target, placement)
        ):
            return root / f"{PHOTOS_FOLDER}_upright"
    return folder


def write_photos_beside(scene: Reconstruction, root: Path) -> Written:
    """Write the upright copies where camera files in ``root`` expect them."""
    return write_photos(scene, photos_folder(scene, root), ExportOptions())


def write_photos(scene: Reconstruction, path: Path, options: ExportOptions) -> Written:
    """Write every photo whose source is still there; the others become a warning each."""
    paths, warnings = [], []
    for name, source, placement in _photos(scene):
        target = path / name
        try:
            reason = _write_photo(source, target, placement)
        except (Glance3DError, OSError) as error:
            if isinstance(error, Glance3DError) and not source.is_file():
                reason = "its source is gone"
            else:
                raise
        if reason:
            warnings.append(f"{target.name} is not in {path.name}/: {reason} ({source})")
        else:
            paths.append(target)
    return Written(tuple(paths), tuple(warnings))


def _photos(scene: Reconstruction) -> list[tuple[str, Path, Placement]]:
    names = photo_file_names(scene)
    return list(zip(names, map(Path, scene.sources), scene.placements, strict=True))


def _write_photo(source: Path, target: Path, placement: Placement) -> str | None:
    """Write one copy; or say why there is none."""
    if not source.is_file():
        return "its source is not a file (any more)"
    if _is_upright(source, target, placement):
        if not (target.exists() and target.samefile(source)):
            with atomic_file(target) as temporary:
                shutil.copyfile(source, temporary)
        return None
    upright = open_upright(source)
    if upright.size != placement.original_size:
        return f"its source has changed, it is now {upright.size[0]}x{upright.size[1]}"
    with atomic_file(target) as temporary:
        if target.suffix.lower() == ".png":
            upright.save(temporary, format="PNG", compress_level=1)
        else:
            upright.save(temporary, format="JPEG", quality=95, subsampling=0)
    return None


def _is_upright(source: Path, target: Path, placement: Placement) -> bool:
    """Whether the file can be copied as it is: kind, pixels, orientation, size."""
    if not source.is_file():
        return False
    try:
        with Image.open(source) as image:
            return (
                image.format in _FORMATS[target.suffix.lower()]
                and image.mode in ("RGB", "L")
                and image.size == placement.original_size
                and image.getexif().get(_EXIF_ORIENTATION, 1) in (0, 1)
            )
    except OSError:
        return False  # a kind that Pillow alone cannot open: it will be encoded anew
