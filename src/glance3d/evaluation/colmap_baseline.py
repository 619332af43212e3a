"""What the library that refinement builds on does with the photos by itself."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.scenes import EvaluationScene
from glance3d.images.decode import open_upright
from glance3d.refinement.camera_models import intrinsics_of
from glance3d.refinement.colmap_interface import import_pycolmap, pose_from_rigid, quiet


def predict_by_colmap(scene: EvaluationScene) -> ScenePrediction:
    """SIFT, exhaustive matching and incremental mapping of the photo files, by default options.

    All photos share one camera when all have one size, else each has its own. Of several models
    the one with the most photos counts; a photo outside it has no pose. No depth.
    """
    with quiet(), tempfile.TemporaryDirectory(prefix="glance3d-") as temporary:
        mapped = _map(scene, Path(temporary))
    num_views = len(scene.cameras)
    poses = torch.full((num_views, 3, 4), torch.nan)
    intrinsics = torch.full((num_views, 3, 3), torch.nan)
    if mapped is not None:
        for image in (image for image in mapped.images.values() if image.has_pose):
            view = int(Path(image.name).stem)
            poses[view] = pose_from_rigid(image.cam_from_world()).float()
            intrinsics[view] = intrinsics_of(mapped.camera(image.camera_id))[0].float()
    registered = poses.isfinite().flatten(1).all(1)
    sizes = scene.cameras.image_sizes.tolist()
    nothing = tuple(torch.zeros(height, width) for width, height in sizes)
    return ScenePrediction(poses, intrinsics, nothing, registered=registered)


def _map(scene: EvaluationScene, folder: Path) -> Any | None:
    pycolmap = import_pycolmap()
    photos, database = folder / "photos", folder / "database.db"
    photos.mkdir()
    for view in range(len(scene.cameras)):
        _put_upright(scene, view, photos)
    one_size = len(scene.cameras.image_sizes.unique(dim=0)) == 1
    mode = pycolmap.CameraMode.SINGLE if one_size else pycolmap.CameraMode.PER_IMAGE
    pycolmap.set_random_seed(0)
    pycolmap.extract_features(database, photos, camera_mode=mode)
    pycolmap.match_exhaustive(database)
    found = pycolmap.incremental_mapping(database, photos, folder / "mapped")
    return max(found.values(), key=lambda model: model.num_reg_images(), default=None)


def _put_upright(scene: EvaluationScene, view: int, folder: Path) -> None:
    """The file as it is; where EXIF turns it, which pycolmap does not, its upright pixels."""
    source = Path(scene.batch.sources[view])
    if scene.batch.placements[view].exif_orientation == 1:
        shutil.copyfile(source, folder / f"{view:06d}{source.suffix.lower()}")
        return
    with Image.open(source) as original:
        exif = original.getexif()
        exif[0x0112] = 1
        open_upright(source).save(folder / f"{view:06d}.jpg", quality=98, exif=exif)
