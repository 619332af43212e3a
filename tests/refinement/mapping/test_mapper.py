"""One attempt of the mapping finds the cameras of a data set that pycolmap made."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.geometry.rotations import rotation_angle
from glance3d.refinement.mapping.mapper import NORMAL, StartingPoses, map_models, num_supported
from glance3d.refinement.pycolmap_interface import pose_from_rigid, quiet
from tests.refinement.mapping.synthetic import relative_rotations, with_wrong_matches

NUM_VIEWS = 6


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[pycolmap.Reconstruction, Path]:
    """Views with their points, and a database of their matches, a tenth of them wrong."""
    path = tmp_path_factory.mktemp("synthetic") / "database.db"
    return with_wrong_matches(NUM_VIEWS, path), path


def image_ids(reconstruction: pycolmap.Reconstruction) -> list[int]:
    return sorted(reconstruction.images)


def worst_error_deg(mapped: pycolmap.Reconstruction, truth: pycolmap.Reconstruction) -> float:
    turns = (torch.from_numpy(relative_rotations(model)) for model in (mapped, truth))
    angles = rotation_angle(*turns)
    return float(torch.rad2deg(angles).max())


def test_from_pairs_all_cameras_are_found(
    truth: tuple[pycolmap.Reconstruction, Path], tmp_path: Path
) -> None:
    reconstruction, database = truth
    with quiet():
        mapped, *_ = map_models(database, tmp_path / "mapped", image_ids(reconstruction), NORMAL)
    assert num_supported(mapped) == NUM_VIEWS
    assert worst_error_deg(mapped, reconstruction) < 0.1


@pytest.mark.parametrize("fixed", [False, True])
def test_from_some_poses_the_others_follow(
    truth: tuple[pycolmap.Reconstruction, Path], tmp_path: Path, fixed: bool
) -> None:
    reconstruction, database = truth
    ids = image_ids(reconstruction)
    poses = {
        view: pose_from_rigid(reconstruction.image(ids[view]).cam_from_world())
        for view in (1, 3, 4)
    }
    start = StartingPoses(poses, fixed, (2.0,))
    with quiet():
        mapped, *_ = map_models(database, tmp_path / "mapped", ids, NORMAL, start=start)
    assert num_supported(mapped) == NUM_VIEWS
    assert worst_error_deg(mapped, reconstruction) < 0.1
    if fixed:
        for view, pose in poses.items():
            held = mapped.image(ids[view]).cam_from_world().matrix()
            np.testing.assert_allclose(held, pose.numpy(), atol=1e-9)


def test_nothing_comes_of_poses_that_share_no_point(
    truth: tuple[pycolmap.Reconstruction, Path], tmp_path: Path
) -> None:
    reconstruction, database = truth
    ids = image_ids(reconstruction)
    turned = torch.eye(3, 4).double()
    turned[:, 0] *= -1
    turned[:, 2] *= -1
    start = StartingPoses({0: torch.eye(3, 4).double(), 1: turned}, False, (2.0,))
    with quiet():
        assert map_models(database, tmp_path / "mapped", ids, NORMAL, start=start) == []


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_poses_are_no_start(
    truth: tuple[pycolmap.Reconstruction, Path], tmp_path: Path, count: int
) -> None:
    reconstruction, database = truth
    ids = image_ids(reconstruction)
    start = StartingPoses(dict.fromkeys(range(count), torch.eye(3, 4).double()), False, (2.0,))
    with quiet():
        assert map_models(database, tmp_path / "mapped", ids, NORMAL, start=start) == []
