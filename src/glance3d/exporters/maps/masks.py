"""``masks/``: which part of each upright photo counts, where tools that train or match look for it.

A PNG of the photo's size, white where the photo counts and black elsewhere, called as COLMAP calls
masks: ``IMG_1.jpg.png`` for the photo ``IMG_1.jpg``. COLMAP reads the folder
(``--ImageReader.mask_path masks``), ``transforms.json`` points to the files (nerfstudio's
``mask_path``: black is not trained on), and ``glance3d reconstruct --masks`` takes it, too. In a
scene with masks every photo has a file, since some tools want all or none: a photo without a mask
has a white one.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from glance3d.errors import SceneError
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.files.atomic import atomic_file
from glance3d.images.naming.file_names import Photos, photo_file_names
from glance3d.types import Reconstruction

MASKS_FOLDER = "masks"


def mask_file_names(scene: Photos) -> list[str]:
    """The file name of each photo's mask."""
    return [f"{name}.png" for name in photo_file_names(scene)]


def write_masks(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write every photo's mask into the folder ``path``; a photo that has none has a white one."""
    if not scene.has_masks:
        raise SceneError("this scene has no masks: reconstruct it with masks first")
    paths = []
    for name, placement, mask in zip(
        mask_file_names(scene), scene.placements, scene.masks, strict=True
    ):
        width, height = placement.original_size
        keep = np.ones((height, width), bool) if mask is None else mask.to_array()
        with atomic_file(path / name) as temporary:
            Image.fromarray(keep).save(temporary, format="PNG", optimize=False)
        paths.append(path / name)
    return WriteResult(tuple(paths))


def write_masks_beside(scene: Reconstruction, root: Path) -> WriteResult:
    """Write the masks where camera files in ``root`` expect them; nothing without masks."""
    if not scene.has_masks:
        return WriteResult(())
    return write_masks(scene, root / MASKS_FOLDER, ExportOptions())


def has_mask_files(scene: Reconstruction, root: Path, options: ExportOptions) -> bool:
    """Whether this scene's masks lie beside ``root``'s camera files, which then point to them."""
    return scene.has_masks and all(
        options.find(root / MASKS_FOLDER / name).is_file() for name in mask_file_names(scene)
    )
