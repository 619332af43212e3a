"""The one table of formats. A new format is a module with a writer, and a line here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glance3d.exporters.cameras.cameras_json import write_cameras_json
from glance3d.exporters.cameras.trajectory import write_kitti, write_tum
from glance3d.exporters.cameras.transforms_json import (
    SPARSE_PLY_NAME,
    transforms_file,
    write_transforms_json,
)
from glance3d.exporters.colmap.export_model import write_colmap
from glance3d.exporters.maps.depth_float import (
    depth_exr_names,
    depth_tiff_names,
    write_depth_exrs,
    write_depth_tiffs,
)
from glance3d.exporters.maps.depth_png import depth_png_names, write_depth_pngs
from glance3d.exporters.maps.masks import mask_file_names, write_masks
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.page import write_page
from glance3d.exporters.photos import write_photos
from glance3d.exporters.points.gaussians import write_gaussians
from glance3d.exporters.points.glb import write_glb
from glance3d.exporters.points.las import write_las
from glance3d.exporters.points.ply import write_ply
from glance3d.exporters.report_json import write_report_json
from glance3d.exporters.rerun_recording import write_rerun
from glance3d.exporters.scene_npz import write_npz
from glance3d.formats.colmap.binary import WRITTEN_FILES
from glance3d.formats.colmap.model import MODEL_FILES, folder_to_write
from glance3d.formats.scene_npz.file import load_scene
from glance3d.images.naming.file_names import Photos
from glance3d.types import Reconstruction


def _as_named(path: Path) -> tuple[Path, Path]:
    """The folder of the result, and the file or folder in it that is written."""
    return path.parent, path


def _in_project(path: Path) -> tuple[Path, Path]:
    model = folder_to_write(path)
    return model.parent.parent, model


def _in_folder(path: Path) -> tuple[Path, Path]:
    path = transforms_file(path)
    return path.parent, path


@dataclass(frozen=True)
class Exporter:
    """One format: how it is recognised, what it needs and what writes it.

    ``path_in_folder`` is where ``glance3d reconstruct`` puts it; its last part, ``suffixes`` (of
    files) and ``folder_names`` are what a path is recognised by. ``needs`` names the parts of a
    scene without which there is nothing to write. A folder of a scene without masks goes without
    what is ``only_with_masks``, and nobody misses it; what is ``on_request`` is written only where
    it is asked for by name.

    What it writes besides the file at a path is known beforehand: with ``names``, the files of a
    folder that is a result as a whole; ``absent``, files that must not stand in it; ``beside``,
    files next to it; ``companions``, other formats at their usual places.
    """

    path_in_folder: str
    description: str
    write: Callable[[Reconstruction, Path, ExportOptions], WriteResult]
    read: Callable[[str | Path], Reconstruction] | None = None
    suffixes: tuple[str, ...] = ()
    folder_names: tuple[str, ...] = ()
    needs: tuple[Literal["points", "depth"], ...] = ()
    only_with_masks: bool = False
    on_request: bool = False
    place: Callable[[Path], tuple[Path, Path]] = _as_named
    names: Callable[[Photos], Sequence[str]] | None = None
    absent: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()

    def missing_from(self, scene: Reconstruction) -> str | None:
        """Why this scene cannot be written so, or None if it can."""
        held = {"points": scene.points_world is not None, "depth": scene.depth is not None}
        missing = [part for part in self.needs if not held[part]]
        if not missing:
            return None
        return f"the scene has no {' and no '.join(missing)} (its outputs held cameras alone)"


# In the order in which a folder is written: first what everything else can be made from again, and
# what a file points to before that file.
FORMATS: dict[str, Exporter] = {
    "npz": Exporter(
        "scene.npz",
        "the whole scene, to load again and export from",
        write_npz,
        read=load_scene,
        suffixes=(".npz",),
    ),
    "depth": Exporter(
        "depth",
        "16-bit depth PNGs and coloured previews at the photos' size; a folder",
        write_depth_pngs,
        folder_names=("depth",),
        needs=("depth",),
        names=depth_png_names,
    ),
    "cameras": Exporter(
        "cameras.json", "cameras in plain text, conventions stated", write_cameras_json
    ),
    "images": Exporter(
        "images",
        "the photos, upright, at their original size",
        write_photos,
        folder_names=("images",),
    ),
    "masks": Exporter(
        "masks",
        "which part of each photo counts, as COLMAP and nerfstudio read it; a folder",
        write_masks,
        folder_names=("masks",),
        only_with_masks=True,
        names=mask_file_names,
    ),
    "colmap": Exporter(
        "sparse/0",
        "a COLMAP model with multi-view observations; a folder",
        write_colmap,
        folder_names=("sparse", "0", "colmap"),
        place=_in_project,
        names=lambda scene: WRITTEN_FILES,
        absent=MODEL_FILES,
        companions=("images", "masks"),
    ),
    "ply": Exporter(
        "points.ply", "coloured point cloud", write_ply, suffixes=(".ply",), needs=("points",)
    ),
    "glb": Exporter(
        "scene.glb",
        "coloured points, camera frusta and cameras for 3-D viewers and Blender",
        write_glb,
        suffixes=(".glb",),
    ),
    "nerfstudio": Exporter(
        "transforms.json",
        "nerfstudio's transforms.json; or a folder with it, photos, points and depth",
        write_transforms_json,
        folder_names=("nerfstudio",),
        place=_in_folder,
        beside=(SPARSE_PLY_NAME,),
        companions=("images", "masks", "depth", "ply"),
    ),
    "tum": Exporter(
        "trajectory.tum",
        "a TUM trajectory: time, position and quaternion a line",
        write_tum,
        suffixes=(".tum",),
        on_request=True,
    ),
    "kitti": Exporter(
        "trajectory.kitti",
        "a KITTI trajectory: the 3x4 pose of the camera in the world a line",
        write_kitti,
        suffixes=(".kitti",),
        on_request=True,
    ),
    "depth-tiff": Exporter(
        "depth_tiff",
        "float32 depth TIFFs at the photos' size; a folder",
        write_depth_tiffs,
        folder_names=("depth_tiff",),
        needs=("depth",),
        on_request=True,
        names=depth_tiff_names,
    ),
    "depth-exr": Exporter(
        "depth_exr",
        "float32 depth EXRs at the photos' size; a folder",
        write_depth_exrs,
        folder_names=("depth_exr",),
        needs=("depth",),
        on_request=True,
        names=depth_exr_names,
    ),
    "las": Exporter(
        "points.las",
        "coloured points as LAS, or compressed as .laz",
        write_las,
        suffixes=(".las", ".laz"),
        needs=("points",),
        on_request=True,
    ),
    "gaussians": Exporter(
        "gaussians.ply",
        "3-D Gaussians to start from, as gsplat and nerfstudio load them",
        write_gaussians,
        needs=("points",),
        on_request=True,
    ),
    "rerun": Exporter(
        "scene.rrd",
        "a recording for the rerun viewer",
        write_rerun,
        suffixes=(".rrd",),
        on_request=True,
    ),
    "report": Exporter("report.json", "how the scene was made", write_report_json),
    # Last, because it tells what the report holds by then.
    "html": Exporter(
        "scene.html",
        "the scene and its report to look at, in one file for any browser",
        write_page,
        suffixes=(".html", ".htm"),
    ),
}
