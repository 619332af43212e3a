"""Models of one scene become one where they share points; others stay apart."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.refinement.mapping.joining.join_models import (
    agreeing_similarity,
    join_models,
    shared_points,
)
from glance3d.refinement.pycolmap_interface import pose_from_rigid
from tests.refinement.mapping.synthetic import one_camera

FIRST, SECOND = (1, 2, 3, 4), (4, 5, 6)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[pycolmap.Reconstruction, Path]:
    path = tmp_path_factory.mktemp("synthetic") / "database.db"
    with pycolmap.Database.open(path) as database:
        return pycolmap.synthesize_dataset(one_camera(6, 150), database), path


def part_of(
    reconstruction: pycolmap.Reconstruction, images: tuple[int, ...]
) -> pycolmap.Reconstruction:
    """The model of these images alone."""
    part = pycolmap.Reconstruction(reconstruction)
    for image_id in sorted(reconstruction.images):
        if image_id not in images:
            part.deregister_frame(part.image(image_id).frame_id)
    return part


def moved(reconstruction: pycolmap.Reconstruction) -> pycolmap.Reconstruction:
    turn = pycolmap.Rotation3d(
        np.array([0.1, -0.4, 0.2, 0.9]) / np.linalg.norm([0.1, -0.4, 0.2, 0.9])
    )
    reconstruction.transform(pycolmap.Sim3d(2.5, turn, np.array([1.0, -2.0, 3.0])))
    return reconstruction


def test_two_parts_become_the_whole(truth: tuple[pycolmap.Reconstruction, Path]) -> None:
    whole, database = truth
    parts = [part_of(whole, FIRST), moved(part_of(whole, SECOND))]
    poses = join_models(parts, database, 4.0, 0)
    assert set(poses) == {*FIRST, *SECOND}
    for image_id, pose in poses.items():
        true = pose_from_rigid(whole.image(image_id).cam_from_world())
        torch.testing.assert_close(pose.double(), true, atol=1e-3, rtol=1e-3)


def test_models_whose_points_disagree_stay_apart(
    truth: tuple[pycolmap.Reconstruction, Path],
) -> None:
    whole, database = truth
    other = part_of(whole, SECOND)
    generator = np.random.default_rng(0)
    for point_id in list(other.points3D):
        other.points3D[point_id].xyz = generator.normal(size=3) * 5
    assert set(join_models([part_of(whole, FIRST), other], database, 4.0, 0)) == set(FIRST)


def test_nothing_in_common_is_no_similarity(truth: tuple[pycolmap.Reconstruction, Path]) -> None:
    whole, _ = truth
    shared = shared_points(part_of(whole, (1, 2)), part_of(whole, (5, 6)), {})
    assert shared is None or agreeing_similarity(shared, 4.0, 0) is None
