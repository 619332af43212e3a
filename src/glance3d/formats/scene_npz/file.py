"""``scene.npz``: a whole ``Reconstruction`` in one file, for coming back to.

A NumPy archive without pickles. Schema version 3 (S views, H x W the depth maps' grid); what a
scene does not have is absent, unless said otherwise:

======================  ====================  ====================================================
``format``              text                  "glance3d-scene"
``schema_version``      int                   3; readers refuse a newer one
``names``               text [S]              file names by which results name the photos
``sources``             text [S]              where the photos came from: absolute paths
``source_bytes``        int64 [S]             size and SHA-256 of those files, by which photos are
``source_sha256``       text [S]              known; -1 and "" for images that were no files
``copy_bytes``          int64 [S]             likewise of the upright copies in ``images/``
``copy_sha256``         text [S]
``original_size``       int64 [S, 2]          (width, height) of the upright photos
``processed_size``      int64 [S, 2]          (width, height) of the grid: (W, H)
``scale``               float64 [S, 2]        pixel_processed = pixel_original * scale + offset
``offset``              float64 [S, 2]
``exif_orientation``    int64 [S]             as the file had it; already applied
``cam_from_world``      float32 [S, 3, 4]     OpenCV axes
``intrinsics``          float32 [S, 3, 3]     pixels of the original photos, origin at the corner
``radial``              float32 [S]           k1 of COLMAP's SIMPLE_RADIAL; absent: no distortion
``physical``            int64 [S]             views with one number were taken by one camera
``colors``              uint8 [S, H, W, 3]    what the network saw
``mask``                bool [S, H, W]        False on padding and where ``mask_bits`` say so
``mask_views``          int64 [M]             the photos that have a mask; absent: none has
``mask_bits``           uint8 [B]             those masks, one after the other: original pixels, row
                                              by row, a bit each (1 = keep, the highest bit first),
                                              each mask filled up to whole bytes; deflated
``reference_view``      int                   whom the network saw first; absent: 0
``depth``               float32 [S, H, W]     z-depth
``confidence``          float32 [S, H, W]     only its order means something
``consistent``          bool [S, H, W]        False where other views' depth contradicts a pixel's
``measured``            bool [S, H, W]        True where depth was measured from the photos
``points_world``        float32 [S, H, W, 3]  only where depth and cameras do not give it
``points_from``         text                  "depth", "points", or "" without points
``track_positions``     float32 [S, Q, 2]     original pixels; with ``track_visibility`` and
                                              ``track_confidence`` [S, Q]
``track_query_views``   int64 [Q]             the view of each query; absent: all in the first
``sparse_points``       float [P, 3]          measured points; with ``sparse_colors`` uint8 [P, 3]
``sparse_views``        int64 [O]             their observations: by which view, of which point
``sparse_indices``      int64 [O]             (index), at which pixel of the original photo
``sparse_pixels``       float [O, 2]
``facts``, ``trust``    text                  JSON lists of ``PhotoMetadata`` and ``ViewTrust``
``model``, ``report``   text                  always there; ``report`` is JSON
``warning_codes``       text [N]              "stage/code" of each of the report's warnings
``mask_input``          bool                  whether the network saw masked photos; with masks
``tracked_by``          text                  how tracks were followed; with tracks
``registered_by``       text [S]              what each camera of a refined scene rests on
``units``, ``world``    text                  always there; of lengths, and whose frame the world is
======================  ====================  ====================================================

Older versions are still read. What the last four arrays before ``units`` say was once said in the
report alone. Version 2 had neither masks nor ``reference_view``; version 1 had no ``radial``,
``physical``, ``consistent``, ``measured``, ``sparse_*``, ``facts``, ``trust`` and ``world``,
either: its world is the first camera's frame.

Depth and confidence stay float32, although half of the bytes would do for looking at them: what is
exported from a loaded scene is then the same, to the last bit, as what the first run wrote, and
confidences (exponentials) exceed float16's range. Everything is read back as it was written;
points that were left out come back from depth within float32 rounding.
"""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from glance3d.errors import SceneError
from glance3d.files.atomic import atomic_file
from glance3d.files.npz_input import MAX_GROWTH, ArrayArchive, open_arrays
from glance3d.formats.scene_npz.arrays import scene_from_arrays, scene_to_arrays
from glance3d.formats.scene_npz.schema import SCHEMA, check_headers
from glance3d.results import settle
from glance3d.types import Reconstruction

SCENE_FILE = "scene.npz"
FORMAT = "glance3d-scene"
SCHEMA_VERSION = 3
_HEADER = ("format", "schema_version")


def save_scene(scene: Reconstruction, path: Path) -> Path:
    """Write the whole scene, whatever it holds; return ``path``."""
    arrays = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **scene_to_arrays(scene)}
    # The reader unpacks so many times a file's size; half of that leaves room for all else.
    sizes = {name: np.asarray(array).nbytes for name, array in arrays.items()}
    masks = sizes.pop("mask_bits", 0)
    masks_may_shrink = masks < MAX_GROWTH // 2 * sum(sizes.values())
    with (
        atomic_file(path) as temporary,
        # Deflating floats takes seconds and saves a tenth; colours and masks alone would not pay.
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            # Masks are large plain areas: a hundredth of their size is left.
            pays = name == "mask_bits" and masks_may_shrink
            entry.compress_type = zipfile.ZIP_DEFLATED if pays else zipfile.ZIP_STORED
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    return path


def load_scene(path: str | Path) -> Reconstruction:
    """Read a saved scene.

    Args:
        path: A ``scene.npz``, or the folder that holds one.

    Returns:
        The scene as it was saved; points are computed from depth within float32 rounding.

    Raises:
        SceneError: there is none, it is no scene, it is damaged, or a newer version wrote it.
        OutputError: a run was stopped while it moved its files there, which cannot be finished.
    """
    path = Path(path)
    settle(path)
    if path.is_dir():
        path = path / SCENE_FILE
    if not path.is_file():
        raise SceneError(f"no saved scene at {path}: give a scene.npz or the folder that holds one")
    if not zipfile.is_zipfile(path):
        raise SceneError(
            f"{path} is not a Glance3D scene, or was cut short; write it again with "
            "'glance3d reconstruct'"
        )
    try:
        with open_arrays(path, SCHEMA.__contains__) as archive:
            _check_header(archive)
            check_headers(archive.headers)
            arrays = {name: archive.read(name) for name in archive.headers}
        return replace(scene_from_arrays(arrays), home=path.parent.absolute())
    except SceneError as error:
        raise SceneError(
            f"{path} is no whole Glance3D scene: {error}; copy it again, or write it anew with "
            "'glance3d reconstruct'"
        ) from error


def _check_header(archive: ArrayArchive) -> None:
    """Refuse other files, and those of a later version, before their arrays are compared."""
    if "format" not in archive.headers:
        raise SceneError("it has no format; give a scene.npz written by Glance3D")
    check_headers({name: h for name, h in archive.headers.items() if name in _HEADER}, _HEADER)
    if (kind := str(archive.read("format"))) != FORMAT:
        raise SceneError(f"it holds a {kind[:40]!r}, not a {FORMAT!r}")
    if (version := int(archive.read("schema_version"))) > SCHEMA_VERSION:
        raise SceneError(
            f"it has schema version {version}, this Glance3D reads up to {SCHEMA_VERSION}: "
            "upgrade glance3d"
        )
