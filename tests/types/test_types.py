"""From predictions to a scene."""

import numpy as np
import pytest
import torch

from glance3d.errors import InputError
from glance3d.exporters import write_scene_folder
from glance3d.images import Preprocessing, load_images
from glance3d.types import Predictions


def test_an_impossible_field_of_view_still_gives_readable_files(tmp_path) -> None:
    picture = np.full((60, 80, 3), 128, np.uint8)
    batch = load_images([picture, picture], Preprocessing(max_pixels=56 * 70))
    height, width = batch.images.shape[-2:]
    pose_enc = torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 0, 0]).repeat(1, 2, 1)
    pose_enc[0, 1, 7:] = 9.0
    predictions = Predictions(
        image_size=(height, width),
        pose_enc=pose_enc,
        depth=torch.ones(1, 2, height, width),
        depth_conf=torch.ones(1, 2, height, width),
    )
    scene = predictions.to_reconstruction(batch)
    assert scene.cameras.intrinsics.isfinite().all()
    assert (scene.cameras.intrinsics[:, 0, 0] > 0).all()
    assert tmp_path / "scene.glb" in write_scene_folder(scene, tmp_path)


def test_stated_cameras_stay_but_for_an_impossible_field_of_view() -> None:
    pixels = np.zeros((2, 56, 70, 3), dtype=np.uint8)
    batch = load_images(list(pixels), Preprocessing(max_pixels=56 * 70))
    height, width = batch.images.shape[-2:]
    intrinsics = torch.tensor([[80.0, 0, 30], [0, 85, 25], [0, 0, 1]]).repeat(1, 2, 1, 1)
    intrinsics[0, 1, :2, :2] = torch.diag(torch.tensor([1e9, 0.0]))
    poses = torch.eye(3, 4).repeat(1, 2, 1, 1)
    stated = Predictions((height, width), cam_from_world=poses, intrinsics=intrinsics)
    assert torch.equal(stated.cameras()[1], intrinsics)
    scene = stated.to_reconstruction(batch)
    on_grid = scene.cameras.on_grid(scene.placements).intrinsics
    torch.testing.assert_close(on_grid[0], intrinsics[0, 0])
    fields = 2 * torch.atan(torch.tensor([width, height]) / 2 / on_grid[1].diagonal()[:2])
    torch.testing.assert_close(fields, torch.tensor([0.01, 3.1]), rtol=1e-4, atol=0)


def test_a_scene_needs_cameras() -> None:
    batch = load_images([np.zeros((60, 80, 3), np.uint8)], Preprocessing(max_pixels=56 * 70))
    with pytest.raises(InputError, match="ask the model for 'camera'"):
        Predictions(image_size=(56, 70)).to_reconstruction(batch)
