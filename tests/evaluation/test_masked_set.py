"""A photo set with masks: what they leave out counts neither for a method nor for a score."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from glance3d.evaluation import photo_set
from glance3d.evaluation.predictions import prediction_of_scene
from glance3d.evaluation.score import score_scene
from glance3d.exporters import write_scene_folder
from glance3d.images import Preprocessing
from tests.refinement.rendered import SIZE, Room, arc, build_scene, with_depth


def test_masks_of_a_set_are_heeded(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    truth = build_scene([Room()] * 3, arc(3, 1.2), photos)
    folder = tmp_path / "set"
    write_scene_folder(truth, folder, formats=["depth", "cameras", "images"])
    assert truth.depth is not None
    wrong = truth.depth.clone()
    wrong[1, :, : wrong.shape[2] // 2] *= 7  # where a mask will be
    prediction = prediction_of_scene(with_depth(truth, wrong))
    how = Preprocessing(max_pixels=84 * 56)
    (whole,) = photo_set(folder, how).scenes
    assert whole.batch.masks == ()
    assert score_scene(prediction, whole).depth_absrel_scale_aligned > 0.5
    keep = np.full(SIZE[::-1], 255, np.uint8)
    keep[:, : SIZE[0] // 2 + 4] = 0
    (folder / "masks").mkdir()
    Image.fromarray(keep).save(folder / "masks" / "view01.png")
    (masked,) = photo_set(folder, how).scenes
    assert [mask is not None for mask in masked.batch.masks] == [False, True, False]
    assert masked.depth[1] is not None
    assert (masked.depth[1] > 0).equal(torch.from_numpy(keep > 0))
    assert score_scene(prediction, masked).depth_absrel_scale_aligned < 0.01
