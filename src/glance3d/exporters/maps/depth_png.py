"""``depth/``: per photo a 16-bit PNG of z-depth and a coloured preview, both at its original size.

``value * scale`` is the depth in the scene's units and 0 means unknown; ``depth.json`` holds the
scale, which all photos of a scene share (one number is what other tools have room for). The values
are the network's, enlarged without mixing neighbours, so that no depth appears between a near and a
far surface.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.exporters.maps.colormap import colorize_depth, inverse_depth_range
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.files.atomic import atomic_file, save_json
from glance3d.geometry.filter import kth_smallest, picked, usable_depth
from glance3d.images.naming.file_names import Photos, depth_file_names, photo_file_names
from glance3d.images.photo_memory import num_writers, written_bytes
from glance3d.types import PhotoMask, Placement, Reconstruction

DEPTH_FOLDER, INDEX_FILE = "depth", "depth.json"
_LEVELS = 65535
# Sky may be predicted thousands of times farther than the rest; it must not cost the rest its
# precision. This many medians away still has a value, and a step is 1/2000 of the median at most.
_FARTHEST_MEDIANS = 32.0


def write_depth_pngs(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the folder ``path``: PNGs, previews (JPEG) and ``depth.json``."""
    depth, valid = depth_and_valid(scene)
    scale, colors = depth_scale(scene), inverse_depth_range(depth, valid)
    names = depth_file_names(scene)

    def write_view(view: int) -> tuple[list[Path], dict[str, Any]]:
        mask = scene.masks[view] if scene.masks else None
        job = DepthView(depth[view], valid[view], scene.placements[view], mask)
        target, preview = path / names[view], path / _preview_name(names[view])
        with atomic_file(target) as temporary:
            job.levels_at_original_size(scale).save(temporary, compress_level=1)
        with atomic_file(preview) as temporary:
            job.preview_at_original_size(colors).save(temporary, quality=90)
        return [target, preview], {
            "image": photo_file_names(scene)[view],
            "depth": target.name,
            "preview": preview.name,
            "size": list(scene.placements[view].original_size),
        }

    # The encoders leave Python's lock, so that photos are compressed side by side.
    masks = scene.masks or (None,) * scene.num_views
    sizes = [
        written_bytes(placement, is_masked=mask is not None)
        for placement, mask in zip(scene.placements, masks, strict=True)
    ]
    with ThreadPoolExecutor(num_writers(sizes)) as pool:
        done = list(pool.map(write_view, range(scene.num_views)))
    index = save_json(path / INDEX_FILE, _index(scene, scale, colors, [view for _, view in done]))
    paths = tuple(file for files, _ in done for file in files)
    num_beyond = int((valid & (depth > scale * _LEVELS)).sum())
    return WriteResult((*paths, index), _beyond_warning(num_beyond, scale, scene.units))


def depth_png_names(scene: Photos) -> list[str]:
    """Of all files in the folder."""
    names = depth_file_names(scene)
    return [INDEX_FILE, *names, *map(_preview_name, names)]


def _preview_name(depth_name: str) -> str:
    return f"{Path(depth_name).stem}_preview.jpg"


def has_depth_pngs(scene: Reconstruction, root: Path, options: ExportOptions) -> bool:
    """Whether this scene's depth lies beside ``root``'s camera files, which then point to it."""
    if scene.depth is None:
        return False
    try:
        index_file = options.find(root / DEPTH_FOLDER / INDEX_FILE)
        index = json.loads(index_file.read_text(encoding="utf-8"))
        return index["scale"] == depth_scale(scene)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def depth_scale(scene: Reconstruction) -> float:
    """Depth of one step of the PNGs' 16-bit values, the same for every photo of the scene."""
    depth, valid = depth_and_valid(scene)
    known = picked(depth, valid)
    if len(known) == 0:
        return 1.0
    farthest = min(
        known.max().item(), kth_smallest(known, (len(known) - 1) // 2) * _FARTHEST_MEDIANS
    )
    return farthest / _LEVELS


def depth_and_valid(
    scene: Reconstruction,
) -> tuple[Float[Tensor, "views h w"], Bool[Tensor, "views h w"]]:
    """Every view's depth, and where it is known. Raises ``SceneError`` for a scene without."""
    if scene.depth is None:
        raise SceneError("this scene has no depth: reconstruct it with the 'depth' output")
    return scene.depth, scene.mask & usable_depth(scene.depth)


def _index(
    scene: Reconstruction, scale: float, colors: tuple[float, float], views: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "about": "16-bit PNG of z-depth (along the camera's z axis): value * scale; 0 is unknown",
        "scale": scale,
        "units": scene.units,
        "preview_depth_range": [1 / colors[1], 1 / colors[0] if colors[0] > 0 else None],
        "views": views,
    }


def _beyond_warning(num_beyond: int, scale: float, units: str) -> tuple[str, ...]:
    if num_beyond == 0:
        return ()
    return (
        f"{num_beyond} pixels are farther than {scale * _LEVELS:.4g} ({units} units), the end of "
        "the depth PNGs' range: they are 0 (unknown) there, and whole in scene.npz",
    )


@dataclass(frozen=True)
class DepthView:
    """One photo's depth on the network's grid, and its way to the original's pixels."""

    depth: Float[Tensor, "h w"]
    valid: Bool[Tensor, "h w"]
    placement: Placement
    mask: PhotoMask | None = None

    def levels_at_original_size(self, scale: float) -> Image.Image:
        """The 16-bit values, nearest neighbour."""
        levels = (torch.where(self.valid, self.depth, 0.0).double() / scale).round()
        levels = torch.where(self.valid, levels.clamp_min(1), 0.0)
        levels = torch.where(levels <= _LEVELS, levels, 0.0)
        small = Image.fromarray(levels.numpy().astype(np.uint16))
        return self._enlarge(small, Image.Resampling.NEAREST)

    def values_at_original_size(self) -> Image.Image:
        """The depth itself (float32, 0 where it is unknown), nearest neighbour."""
        known = torch.where(self.valid, self.depth, 0.0)
        return self._enlarge(Image.fromarray(known.numpy()), Image.Resampling.NEAREST)

    def preview_at_original_size(self, colors: tuple[float, float]) -> Image.Image:
        """The coloured preview, smooth."""
        small = Image.fromarray(colorize_depth(self.depth, self.valid, colors).numpy())
        return self._enlarge(small, Image.Resampling.BILINEAR)

    def _enlarge(self, grid: Image.Image, resample: Image.Resampling) -> Image.Image:
        """As ``Placement.map_to_original``, in Pillow's C: a twelve-megapixel photo is common.

        Pillow's affine map takes output to input pixels with the same pixel origin as ours, and
        leaves what lies outside (cut off by a crop) 0.
        """
        (scale_x, scale_y), (offset_x, offset_y) = self.placement.scale, self.placement.offset
        enlarged = grid.transform(
            self.placement.original_size,
            Image.Transform.AFFINE,
            (scale_x, 0, offset_x, 0, scale_y, offset_y),
            resample=resample,
        )
        if self.mask is None:
            return enlarged
        # The grid's pixels are coarser than the mask, which is known to the pixel.
        keep = self.mask.to_array()
        pixels = np.asarray(enlarged)
        return Image.fromarray(pixels * (keep if pixels.ndim == 2 else keep[..., None]))
