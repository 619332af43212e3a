"""The COLMAP baseline: pycolmap's own reconstruction of the photos, by default options."""

import json
import logging
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from glance3d.evaluation import colmap_process
from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.scenes import EvaluationScene
from glance3d.geometry.transforms import is_known
from glance3d.images.decoding.decode import exif_when_upright, open_upright
from glance3d.refinement.pycolmap_interface import import_pycolmap

logger = logging.getLogger(__name__)
_ATTEMPTS = 2  # pycolmap sometimes crashes in its own threads


def predict_by_colmap(scene: EvaluationScene) -> ScenePrediction:
    """SIFT, exhaustive matching and incremental mapping of the photo files, by default options.

    All photos share one camera when all have one size, else each has its own. Of several models
    the one with the most photos counts; a photo outside it has no pose. There is no depth. If
    pycolmap crashes, this is logged and tried once more.
    """
    num_views = len(scene.cameras)
    poses = torch.full((num_views, 3, 4), torch.nan)
    intrinsics = torch.full((num_views, 3, 3), torch.nan)
    for name, view in _map(scene).items():
        poses[int(Path(name).stem)] = torch.tensor(view["cam_from_world"])
        intrinsics[int(Path(name).stem)] = torch.tensor(view["intrinsics"])
    registered = is_known(poses)
    sizes = scene.cameras.image_sizes.tolist()
    nothing = tuple(torch.zeros(1, 1).expand(height, width) for width, height in sizes)
    return ScenePrediction(poses, intrinsics, nothing, registered=registered)


def _map(scene: EvaluationScene) -> dict[str, dict[str, list[list[float]]]]:
    """The output of :mod:`.colmap_process` for the photos; empty if it crashes."""
    import_pycolmap()  # raises the error that names its extra
    one_size = len(scene.cameras.image_sizes.unique(dim=0)) == 1
    mode = "SINGLE" if one_size else "PER_IMAGE"
    with tempfile.TemporaryDirectory(prefix="glance3d-") as temporary:
        photos = Path(temporary, "photos")
        photos.mkdir()
        for view in range(len(scene.cameras)):
            _put_upright(scene, view, photos)
        for attempt in range(_ATTEMPTS):
            out = Path(temporary, str(attempt))
            out.mkdir()
            command = [sys.executable, colmap_process.__file__, str(photos), mode, str(out)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode == 0:
                return json.loads((out / "mapped.json").read_text())
            message = ended.stderr[-2000:].strip()
            logger.warning("pycolmap ended with %d: %s", ended.returncode, message)
    return {}


def _put_upright(scene: EvaluationScene, view: int, folder: Path) -> None:
    """Copy the file; if EXIF rotates it, which pycolmap ignores, write its upright pixels."""
    source = Path(scene.batch.sources[view])
    if scene.batch.placements[view].exif_orientation == 1:
        shutil.copyfile(source, folder / f"{view:06d}{source.suffix.lower()}")
        return
    upright, exif = open_upright(source), exif_when_upright(source)
    upright.save(folder / f"{view:06d}.jpg", quality=98, exif=exif)
