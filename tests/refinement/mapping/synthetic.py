"""pycolmap's synthetic scenes: the same points and views each time."""

import pycolmap


def one_camera(num_views: int, num_points: int) -> pycolmap.SyntheticDatasetOptions:
    """What to synthesize by one camera, with the random numbers that it is made of begun anew."""
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_cameras_per_rig = 1, 1
    options.num_frames_per_rig, options.num_points3D = num_views, num_points
    return options
