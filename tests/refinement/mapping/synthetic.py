"""pycolmap's synthetic scenes: the same points and views each time."""

from pathlib import Path

import numpy as np
import pycolmap


def one_camera(num_views: int, num_points: int) -> pycolmap.SyntheticDatasetOptions:
    """What to synthesize by one camera, with the random numbers that it is made of begun anew."""
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_cameras_per_rig = 1, 1
    options.num_frames_per_rig, options.num_points3D = num_views, num_points
    return options


def with_wrong_matches(num_views: int, database: Path) -> pycolmap.Reconstruction:
    """Views with their points, and a new database of their matches, a tenth of them wrong."""
    options = one_camera(num_views, 150)
    options.inlier_match_ratio = 0.9
    options.camera_model_id = pycolmap.CameraModelId.SIMPLE_PINHOLE
    options.camera_params = [1280.0, 512.0, 384.0]
    with pycolmap.Database.open(database) as content:
        return pycolmap.synthesize_dataset(options, content)


def relative_rotations(model: pycolmap.Reconstruction) -> np.ndarray:
    """Of every other view against the first."""
    first, *others = [i.cam_from_world().rotation.matrix() for _, i in sorted(model.images.items())]
    return np.array([each @ first.T for each in others])
