"""ETH3D's high-resolution scenes: undistorted photos with a COLMAP model in text.

Source: Schöps et al., "A multi-view stereo benchmark with high-resolution images and multi-camera
videos", CVPR 2017.
"""

from collections.abc import Sequence
from pathlib import Path

from glance3d.errors import CamerasError
from glance3d.evaluation.protocols.layouts.common import named_photo, scene_folders, true_scene
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.formats.colmap.model import read_colmap_poses
from glance3d.formats.colmap.records import ColmapImage

MODEL = "dslr_calibration_undistorted"


def list_scenes(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``SCENE/dslr_calibration_undistorted/``, ``SCENE/images/dslr_images_undistorted/``."""
    return [_scene(folder) for folder in scene_folders(data, scenes, MODEL)]


def _scene(folder: Path) -> ListedScene:
    model = read_colmap_poses(folder / MODEL)
    images = sorted(model.images, key=lambda image: image.name)

    def read(chosen: Sequence[int]) -> TrueScene:
        kept = [images[place] for place in chosen]
        matrices = []
        for image in kept:
            camera = model.cameras.get(image.camera_id)
            lens = None if camera is None else camera.lens()
            if lens is None:
                raise CamerasError(f"{image.name} of {folder / MODEL} has no pinhole camera")
            matrices.append(lens.intrinsics)
        return true_scene(
            folder.name,
            [_photo(folder, image) for image in kept],
            [image.cam_from_world() for image in kept],
            matrices,
        )

    return ListedScene(folder.name, tuple(image.name for image in images), read)


def _photo(folder: Path, image: ColmapImage) -> Path:
    return named_photo(folder / "images", image.name, "a photo of the model")
