"""SIFT features of all photos, matched and verified, in a COLMAP database.

Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004, as pycolmap
implements it; matches are verified by two-view geometry (Schoenberger and Frahm, "Structure-from-
motion revisited", CVPR 2016, section 3).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image
from tqdm import tqdm

from glance3d.images import Originals
from glance3d.refinement.options import RefineOptions
from glance3d.refinement.pycolmap_interface import import_pycolmap
from glance3d.types import Masks

# Beyond this, pairs grow too many to match all of them: neighbours in order, and farther and
# farther ones.
_MAX_EXHAUSTIVE = 80
_NEIGHBOURS = 12
# A feature describes what is around it: nearer than this to what a mask leaves out, in pixels at a
# diagonal of a thousand, it would describe that, too. Small ones, which are most, then do not.
_MASK_MARGIN = 6.0


def build_database(
    folder: Path,
    originals: Originals,
    cameras: Sequence[Any],
    camera_of_view: Sequence[int],
    options: RefineOptions,
    *,
    masks: Masks = (),
    progress: bool = False,
) -> tuple[Path, list[int]]:
    """A database with every view, its camera and its features, nothing matched yet.

    ``cameras`` are pycolmap cameras, ``camera_of_view`` an index into them. What ``masks`` leave
    out of the photos has no features, nor has what is so near that they would show in it. Returns
    the database and the image ids of the views, in order.
    """
    pycolmap = import_pycolmap()
    path = folder / "database.db"
    database = pycolmap.Database.open(path)
    try:
        image_ids = _write_views(database, cameras, camera_of_view)
    finally:
        database.close()
    if options.correspondences == "tracks":
        return path, _without_features(path, image_ids)
    photos = folder / "photos"
    photos.mkdir()
    # The shades alone count, and full size: the library shrinks them itself where asked.
    for view in tqdm(range(len(originals)), "photos", disable=not progress, unit="photo"):
        grey = Image.fromarray(originals[view]).convert("L")
        grey.save(photos / view_name(view), compress_level=1)
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = options.max_image_size
    extraction.sift.max_num_features = options.max_features
    reading = pycolmap.ImageReaderOptions()
    if any(masks):
        reading.mask_path = _write_masks(folder / "masks", masks, originals.sizes)
    pycolmap.extract_features(path, photos, reader_options=reading, extraction_options=extraction)
    return path, image_ids


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
        done = 0
        while done < radius:  # windows of doubled width, so that a wide margin costs little more
            step = min(done + 1, radius - done)
            before = np.moveaxis(inner.copy(), axis, 0)
            after = np.moveaxis(inner, axis, 0)
            after[step:] &= before[:-step]
            after[:-step] &= before[step:]
            done += step
    return inner


def _without_features(path: Path, image_ids: list[int]) -> list[int]:
    database = import_pycolmap().Database.open(path)
    try:
        for image_id in image_ids:
            database.write_keypoints(image_id, np.zeros((0, 2), np.float32))
    finally:
        database.close()
    return image_ids


def match_features(database: Path, num_views: int, options: RefineOptions) -> None:
    """Match and verify pairs of views: all of them, or beyond many views those near in order."""
    pycolmap = import_pycolmap()
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = options.seed
    if num_views <= _MAX_EXHAUSTIVE:
        pycolmap.match_exhaustive(database, verification_options=verification)
        return
    pairing = pycolmap.SequentialPairingOptions()
    pairing.overlap = _NEIGHBOURS
    pairing.quadratic_overlap = True
    pycolmap.match_sequential(database, pairing_options=pairing, verification_options=verification)


def view_name(view: int) -> str:
    """The name of a view's image in the database: its number, so that no photo's name matters."""
    return f"{view:06d}.png"


def copy_with_cameras(
    database: Path, copy: Path, cameras: Sequence[Any], camera_of_view: Sequence[int]
) -> list[int]:
    """The same features and verified matches in a new database with other cameras; the image ids.

    They are the same as before, since images are numbered in order.
    """
    pycolmap = import_pycolmap()
    source, target = pycolmap.Database.open(database), pycolmap.Database.open(copy)
    try:
        image_ids = _write_views(target, cameras, camera_of_view)
        for image_id in image_ids:
            target.write_keypoints(image_id, source.read_keypoints(image_id))
        for pair_id, geometry in zip(*source.read_two_view_geometries(), strict=True):
            first, second = pycolmap.pair_id_to_image_pair(pair_id)
            target.write_matches(first, second, geometry.inlier_matches)
            target.write_two_view_geometry(first, second, geometry)
    finally:
        source.close()
        target.close()
    return image_ids


def _write_views(database: Any, cameras: Sequence[Any], camera_of_view: Sequence[int]) -> list[int]:
    """Cameras, each the only sensor of a rig, and a frame with one image for every view."""
    pycolmap = import_pycolmap()
    rig_ids = []
    for camera in cameras:
        camera.camera_id = database.write_camera(camera)
        rig = pycolmap.Rig()
        rig.add_ref_sensor(camera.sensor_id)
        rig_ids.append(database.write_rig(rig))
    image_ids = []
    for view, camera_index in enumerate(camera_of_view):
        image = pycolmap.Image(view_name(view), camera_id=cameras[camera_index].camera_id)
        image.image_id = database.write_image(image)
        frame = pycolmap.Frame()
        frame.rig_id = rig_ids[camera_index]
        frame.add_data_id(image.data_id)
        database.write_frame(frame)
        image_ids.append(image.image_id)
    return image_ids
