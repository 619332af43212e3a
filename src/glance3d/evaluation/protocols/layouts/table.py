"""The one table of layouts: a new one is a reader, and a line here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from glance3d.errors import ImageError
from glance3d.evaluation.protocols.layouts import (
    co3d,
    dtu,
    eth3d,
    kitti,
    nrgbd,
    re10k,
    scannet_pairs,
    seven_scenes,
    sintel,
    tum,
)
from glance3d.evaluation.protocols.truth import ListedScene


@dataclass(frozen=True)
class Layout:
    """How a data set lies in its folder: in words, and what lists its scenes (of these names)."""

    wanted: str
    lister: Callable[[Path, Sequence[str]], list[ListedScene]]

    def list_scenes(self, data: Path, scenes: Sequence[str] = ()) -> list[ListedScene]:
        """All scenes that are there, or those of these names.

        Raises:
            ImageError: there is no such folder, or nothing in it lies as it should.
        """
        if not data.is_dir():
            raise ImageError(f"the data must be a folder with {self.wanted}, got {data}")
        listed = self.lister(data, scenes)
        if not listed:
            of_names = f" of {', '.join(scenes)}" if scenes else ""
            raise ImageError(
                f"{data} must hold {self.wanted}; nothing{of_names} lies there like that: "
                "docs/evaluation.md says where the data is had"
            )
        return listed


LAYOUTS = {
    "re10k": Layout("cameras/CLIP.txt and frames/CLIP/TIMESTAMP.png or .jpg", re10k.list_scenes),
    "co3d": Layout(
        "CATEGORY/frame_annotations.jgz, CATEGORY/set_lists/set_lists_fewview_dev.json and "
        "CATEGORY/SEQUENCE/images/",
        co3d.list_scenes,
    ),
    "eth3d": Layout(
        "SCENE/dslr_calibration_undistorted/{cameras,images}.txt and "
        "SCENE/images/dslr_images_undistorted/",
        eth3d.list_scenes,
    ),
    "dtu": Layout(
        "scanN/images/, scanN/cams/NNNNNNNN_cam.txt, Points/stl/stlNNN_total.ply, "
        "ObsMask/ObsMaskN_10.mat and ObsMask/PlaneN.mat",
        dtu.list_scenes,
    ),
    "7-scenes": Layout(
        "SCENE/TestSplit.txt and SCENE/seq-NN/frame-NNNNNN.color.png, .depth.png, .pose.txt",
        seven_scenes.list_scenes,
    ),
    "tum": Layout(
        "SEQUENCE/rgb.txt, depth.txt, groundtruth.txt and the files that they name",
        tum.list_scenes,
    ),
    "scannet-pairs": Layout(
        "pairs.txt (a line a pair: two photos, 0 0, intrinsics, intrinsics, pose) and the photos",
        scannet_pairs.list_scenes,
    ),
    "nrgbd": Layout(
        "SCENE/images/imgN.png, SCENE/depth/depthN.png, SCENE/poses.txt and SCENE/focal.txt",
        nrgbd.list_scenes,
    ),
    "sintel": Layout(
        "training/final/SEQUENCE/frame_NNNN.png, training/depth/SEQUENCE/frame_NNNN.dpt and "
        "training/camdata_left/SEQUENCE/frame_NNNN.cam",
        sintel.list_scenes,
    ),
    "kitti-depth": Layout(
        "val/DRIVE_sync/proj_depth/groundtruth/image_02/N.png and "
        "DATE/DRIVE_sync/image_02/data/N.png",
        kitti.list_depth,
    ),
    "kitti-odometry": Layout(
        "sequences/NN/image_2/NNNNNN.png, sequences/NN/calib.txt and poses/NN.txt",
        kitti.list_odometry,
    ),
}
