"""COLMAP's database of views, features and matches: the common ground of all correspondences."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from glance3d.refinement.matching.initial_cameras import CameraAssignment
from glance3d.refinement.pycolmap_interface import import_pycolmap


@contextmanager
def open_database(path: Path) -> Iterator[Any]:
    """The database in this file, which is made if it is missing."""
    database = import_pycolmap().Database.open(path)
    try:
        yield database
    finally:
        database.close()


def view_name(view: int) -> str:
    """The name of a view's image in the database: its number, so that no photo's name matters."""
    return f"{view:06d}.png"


def create_database(path: Path, cameras: CameraAssignment) -> list[int]:
    """A new database of views without features; the image ids of the views, in order."""
    with open_database(path) as database:
        return _write_views(database, cameras)


def write_empty_features(path: Path, image_ids: Sequence[int]) -> None:
    """Say of every view that it has no features, so that others can be added."""
    with open_database(path) as database:
        for image_id in image_ids:
            database.write_keypoints(image_id, np.zeros((0, 2), np.float32))


def copy_with_cameras(path: Path, copy: Path, cameras: CameraAssignment) -> list[int]:
    """The same features and verified matches in a new database with other cameras; the image ids.

    They are the same as before, since images are numbered in order. Matches that were refuted by
    two-view geometry are not copied.
    """
    pycolmap = import_pycolmap()
    with open_database(path) as source, open_database(copy) as target:
        image_ids = _write_views(target, cameras)
        for image_id in image_ids:
            target.write_keypoints(image_id, source.read_keypoints(image_id))
        for pair_id, geometry in zip(*source.read_two_view_geometries(), strict=True):
            first, second = pycolmap.pair_id_to_image_pair(pair_id)
            target.write_matches(first, second, geometry.inlier_matches)
            target.write_two_view_geometry(first, second, geometry)
    return image_ids


def _write_views(database: Any, assignment: CameraAssignment) -> list[int]:
    """Cameras, each the only sensor of a rig, and a frame with one image for every view."""
    pycolmap = import_pycolmap()
    rig_ids = []
    # COLMAP poses rigs, not cameras: a camera by itself is a rig with one sensor, and each photo is
    # a frame of it.
    for camera in assignment.cameras:
        database.write_camera(camera, use_camera_id=True)
        rig = pycolmap.Rig()
        rig.add_ref_sensor(camera.sensor_id)
        rig_ids.append(database.write_rig(rig))
    image_ids = []
    for view, index in enumerate(assignment.camera_of_view):
        image = pycolmap.Image(view_name(view), camera_id=assignment.cameras[index].camera_id)
        image.image_id = database.write_image(image)
        frame = pycolmap.Frame()
        frame.rig_id = rig_ids[index]
        frame.add_data_id(image.data_id)
        database.write_frame(frame)
        image_ids.append(image.image_id)
    return image_ids
