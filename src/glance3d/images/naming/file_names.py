"""The names of the photos and of their depth maps in every export.

They depend on the scene's names alone, so that a COLMAP model, a ``transforms.json`` and an
``images/`` folder that were exported at different times still fit together.
"""

import hashlib
import os
import re
from pathlib import PurePosixPath

from glance3d.files.name_keys import numbered_apart
from glance3d.types import ImageBatch, Reconstruction

#: A scene, or the loaded photos that will become one.
Photos = ImageBatch | Reconstruction

# Bytes. File systems take 255; a number and the ending of a mask or preview must have room.
_LONGEST = 240
# What COLMAP, nerfstudio and 3-D Gaussian splatting all read; a file of another kind is encoded
# anew: lossless where its own format usually is.
_KEPT_SUFFIXES = {".jpg", ".jpeg", ".png"}
_LOSSLESS_SUFFIXES = {".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".gif", ""}

# What leads to another folder, ends a line, turns the direction of reading, or is no character.
# (Surrogates from U+DC80 on stand for bytes of a name that is no text, and stay.)
_UNSAFE = re.compile(
    r'[\\/:*?"<>|\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udc7f\udd00-\udfff]+'
)
# Windows takes these for devices, with any suffix.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


def photo_file_names(scene: Photos) -> list[str]:
    """The file name of each photo's upright copy: its own, with a suffix that all tools read.

    Of a name so long that one made from it could be too long for a file system, the end is left out
    and a hash of the whole stands instead.
    """
    return _unique([_shortened(_photo_file_name(name)) for name in scene.names])


def depth_file_names(scene: Photos) -> list[str]:
    """The file name of each photo's depth PNG: the photo's, ending in ``.png``."""
    return _unique([PurePosixPath(name).stem + ".png" for name in photo_file_names(scene)])


def _photo_file_name(name: str) -> str:
    # A scene file may come from anywhere: its names must not lead out of the output folder.
    path = PurePosixPath(_UNSAFE.sub("_", name).strip(". ") or "photo")
    if _RESERVED.fullmatch(path.name.partition(".")[0]):
        path = path.with_name(f"_{path.name}")
    suffix = path.suffix.lower()
    if suffix in _KEPT_SUFFIXES:
        return path.name
    if suffix in _LOSSLESS_SUFFIXES:
        return path.stem + ".png"
    known_photo = re.fullmatch(r"\.[a-z][a-z0-9]{2,4}", suffix) is not None
    return (path.stem if known_photo else path.name) + ".jpg"


def _shortened(name: str) -> str:
    if len(os.fsencode(name)) <= _LONGEST:
        return name
    path, content = PurePosixPath(name), os.fsencode(name)
    ending = f"_{hashlib.sha256(content).hexdigest()[:8]}{path.suffix}"
    return content[: _LONGEST - len(ending)].decode(errors="ignore") + ending


def _unique(names: list[str]) -> list[str]:
    """The same names, numbered before their suffix where two would be one file on some system."""
    return numbered_apart(names, _numbered)


def _numbered(name: str, number: int) -> str:
    path = PurePosixPath(name)
    return f"{path.stem}_{number}{path.suffix}"
