"""A scene as ``transforms.json``: what nerfstudio (and instant-ngp's family) train from.

The world is left as it is, the same as that of ``points.ply``: nothing was applied to either, and
cameras and cloud agree by construction. 3-D Gaussians start from the measured points, if there are
enough, else from the dense cloud. The file itself is :mod:`glance3d.formats.transforms_json`'s.
"""

from pathlib import Path

from glance3d.exporters.maps.depth_png import (
    DEPTH_FOLDER,
    depth_scale,
    has_depth_pngs,
    write_depth_pngs,
)
from glance3d.exporters.maps.masks import (
    MASKS_FOLDER,
    has_mask_files,
    mask_file_names,
    write_masks_beside,
)
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.photos import photos_folder, write_photos_beside
from glance3d.exporters.points.ply import write_ply, write_points_ply
from glance3d.exporters.points.point_cloud import has_points
from glance3d.exporters.world_text import describe_world
from glance3d.formats.transforms_json.file import (
    TransformsFile,
    TransformsFrame,
    write_transforms_file,
)
from glance3d.formats.transforms_json.frame_intrinsics import FrameIntrinsics
from glance3d.images.naming.file_names import depth_file_names, photo_file_names
from glance3d.types import Reconstruction

PLY_NAME, SPARSE_PLY_NAME = "points.ply", "sparse_points.ply"
# Fewer measured points than this leave most of a scene empty at the start.
_ENOUGH_TO_START = 100


def write_transforms_json(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write ``path`` (a .json, or the folder for ``transforms.json``) and what it points to."""
    path = transforms_file(path)
    root, written = path.parent, WriteResult(())
    if options.companions:
        written += write_photos_beside(scene, root, options)
        written += write_masks_beside(scene, root)
        if scene.depth is not None:
            written += write_depth_pngs(scene, root / DEPTH_FOLDER, options)
    ply, of_ply = _write_start(scene, root, options)
    written += of_ply
    with_depth = has_depth_pngs(scene, root, options)
    file = TransformsFile(
        frames=_frames(scene, root, with_depth, options),
        ply_file_path=ply,
        depth_unit_scale_factor=depth_scale(scene) if with_depth else None,
        units=scene.units,
        world=describe_world(scene.world, photo_file_names(scene)[scene.reference_view]),
    )
    return written + WriteResult((write_transforms_file(path, file),))


def transforms_file(path: Path) -> Path:
    """``path``, or the file in the folder of that name."""
    return path if path.suffix.lower() == ".json" else path / "transforms.json"


def _write_start(
    scene: Reconstruction, root: Path, options: ExportOptions
) -> tuple[str | None, WriteResult]:
    """The name of the cloud to start from, None without one, and what was written of it."""
    if scene.sparse is not None and len(scene.sparse) >= _ENOUGH_TO_START:
        sparse, comment = scene.sparse, f"{len(scene.sparse)} measured points"
        path = root / SPARSE_PLY_NAME
        return path.name, write_points_ply(scene, path, sparse.points_world, sparse.colors, comment)
    path, written = root / PLY_NAME, WriteResult(())
    if not has_points(scene):
        return None, written
    if options.companions:
        written = write_ply(scene, path, options)
    return path.name if options.find(path).is_file() else None, written


def _frames(
    scene: Reconstruction, root: Path, with_depth: bool, options: ExportOptions
) -> tuple[TransformsFrame, ...]:
    folder = photos_folder(scene, options.final(root)).name
    photos, masks = photo_file_names(scene), mask_file_names(scene)
    depth_maps = depth_file_names(scene)
    with_masks = has_mask_files(scene, root, options)
    poses = scene.cameras.cam_from_world.double()
    return tuple(
        TransformsFrame(
            file_path=f"{folder}/{photos[view]}",
            cam_from_world=poses[view],
            intrinsics=_intrinsics(scene, view),
            depth_file_path=f"{DEPTH_FOLDER}/{depth_maps[view]}" if with_depth else None,
            mask_path=f"{MASKS_FOLDER}/{masks[view]}" if with_masks else None,
        )
        for view in range(scene.num_views)
    )


def _intrinsics(scene: Reconstruction, view: int) -> FrameIntrinsics:
    radial = scene.cameras.radial
    return FrameIntrinsics(
        matrix=scene.cameras.intrinsics[view].double(),
        radial=0.0 if radial is None else radial[view].double().item(),
        size=scene.placements[view].original_size,
    )
