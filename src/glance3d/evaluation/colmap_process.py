"""pycolmap's own reconstruction of a folder of photos, run in a separate process.

A crash in its compiled threads then ends this process and not the evaluation. It imports nothing of
Glance3D, so that it starts fast: ``python colmap_process.py PHOTOS MODE OUT`` writes
``OUT/mapped.json``; ``MODE`` is the name of a ``pycolmap.CameraMode``.
"""

import json
import sys
from pathlib import Path


def main(photos: Path, camera_mode: str, out: Path) -> None:
    """Write the views of the model with the most photos: name to pose 3 x 4 and matrix 3 x 3."""
    import pycolmap

    pycolmap.logging.minloglevel = 3  # fatal errors only
    mode = getattr(pycolmap.CameraMode, camera_mode)
    database = out / "database.db"
    pycolmap.set_random_seed(0)
    pycolmap.extract_features(database, photos, camera_mode=mode)
    pycolmap.match_exhaustive(database)
    models = pycolmap.incremental_mapping(database, photos, out / "mapped")
    model = max(models.values(), key=lambda model: model.num_reg_images(), default=None)
    views = {}
    for image in [] if model is None else model.images.values():
        if image.has_pose:
            pose, matrix = image.cam_from_world().matrix(), image.camera.calibration_matrix()
            views[image.name] = {"cam_from_world": pose.tolist(), "intrinsics": matrix.tolist()}
    (out / "mapped.json").write_text(json.dumps(views))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
