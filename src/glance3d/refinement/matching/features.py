"""SIFT features of all photos, matched and verified, written to a COLMAP database.

Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004, as pycolmap
implements it; matches are verified by two-view geometry (Schoenberger and Frahm, "Structure-from-
motion revisited", CVPR 2016, section 3).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from glance3d.progress import ProgressBar
from glance3d.refinement.matching.database import view_name
from glance3d.refinement.options import RefineOptions
from glance3d.refinement.pycolmap_interface import import_pycolmap
from glance3d.types import Masks

# A feature describes what is around it: nearer than this to what a mask leaves out, in pixels at a
# diagonal of 1000, it would describe that, too. Small features, which are most, then do not.
_MASK_MARGIN = 6.0
# SIFT wants contrast of a share of all grey levels. Where hardly anything is brighter than this,
# grey levels are multiplied until something is nearly white, but not until noise looks like it.
_DARK = 64
_BRIGHT = 230
_MOST_GAIN = 8.0


@runtime_checkable
class FullSizePhotos(Protocol):
    """Upright photos, by number, and their sizes (width, height); such as ``Originals``."""

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Of each photo."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, view: int, /) -> UInt8[np.ndarray, "height width 3"]: ...


def extract_features(
    database: Path,
    originals: FullSizePhotos,
    options: RefineOptions,
    *,
    masks: Masks = (),
    progress: bool = False,
) -> None:
    """Write the features of every view into its image in the database.

    What ``masks`` leave out of the photos has no features, nor has what is so near that they would
    show in it.
    """
    pycolmap = import_pycolmap()
    photos = database.with_name("photos")
    photos.mkdir()
    # Only grey levels count for SIFT, at full size: the library shrinks photos where asked.
    for view in ProgressBar(range(len(originals)), "photos", disable=not progress, unit="photo"):
        grey = stretch_dark(Image.fromarray(originals[view]).convert("L"))
        grey.save(photos / view_name(view), compress_level=1)
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = options.max_image_size
    extraction.sift.max_num_features = options.max_features
    reading = pycolmap.ImageReaderOptions()
    if any(masks):
        reading.mask_path = _write_masks(database.with_name("masks"), masks, originals.sizes)
    pycolmap.extract_features(
        database, photos, reader_options=reading, extraction_options=extraction
    )


def stretch_dark(grey: Image.Image) -> Image.Image:
    """A dark picture with its contrast enlarged; any other as it is."""
    highest = float(np.quantile(np.asarray(grey), 0.99))
    if highest >= _DARK:
        return grey
    gain = min(_MOST_GAIN, _BRIGHT / max(highest, 1.0))
    return grey.point(lambda level: round(min(255.0, gain * level)))


def _write_masks(folder: Path, masks: Masks, sizes: Sequence[tuple[int, int]]) -> Path:
    """The masks as COLMAP looks for them: black where there are to be no features.

    Every photo has one: COLMAP finds nothing in photos whose mask is missing.
    """
    folder.mkdir()
    for view, (mask, (width, height)) in enumerate(zip(masks, sizes, strict=True)):
        keep = np.ones((height, width), bool)
        if mask is not None:
            radius = round(_MASK_MARGIN * math.hypot(width, height) / 1000)
            keep = shrunk(mask.to_array(), radius)
        Image.fromarray(keep).save(folder / f"{view_name(view)}.png")
    return folder


def shrunk(keep: Bool[np.ndarray, "height width"], radius: int) -> Bool[np.ndarray, "height width"]:
    """``keep`` without what is within ``radius`` pixels, along x or y, of what is not kept."""
    inner = keep.copy()
    for axis in (0, 1):
        reach = 0
        while reach < radius:  # windows of doubled width, so that a wide margin costs little more
            step = min(reach + 1, radius - reach)
            source = np.moveaxis(inner.copy(), axis, 0)
            target = np.moveaxis(inner, axis, 0)
            target[step:] &= source[:-step]
            target[:-step] &= source[step:]
            reach += step
    return inner


def match_features(
    database: Path, pairs: Sequence[tuple[int, int]] | None, options: RefineOptions
) -> None:
    """Match pairs of views and estimate their two-view geometry; inliers are verified matches.

    ``pairs`` are those to match, None for all of them.
    """
    pycolmap = import_pycolmap()
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = options.seed  # RANSAC draws the same samples every time
    if pairs is None:
        pycolmap.match_exhaustive(database, verification_options=verification)
        return
    pairing = pycolmap.ImportedPairingOptions()
    pairing.match_list_path = database.with_name("pairs.txt")
    pairing.match_list_path.write_text(
        "".join(f"{view_name(first)} {view_name(second)}\n" for first, second in pairs)
    )
    pycolmap.match_image_pairs(database, pairing_options=pairing, verification_options=verification)
