"""A photo a thousand times too far from its points is named, whatever its epipolar lines say."""

from typing import Any
from unittest.mock import Mock

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.refinement.mapping import attempts
from glance3d.refinement.mapping.attempt_results import Attempt
from glance3d.refinement.mapping.attempts import run_attempt
from glance3d.refinement.mapping.depth_agreement import off_scale_views
from glance3d.refinement.mapping.match_inliers import MatchInliers
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.types import Placement
from tests.refinement.mapping.synthetic import one_camera

NUM_VIEWS = 6


@pytest.fixture
def model() -> pycolmap.Reconstruction:
    return pycolmap.synthesize_dataset(one_camera(NUM_VIEWS, 150))


def photos_of(model: pycolmap.Reconstruction, depth: float | None) -> Any:
    """With the same depth everywhere in all photos, as a network that guesses."""
    (camera,) = model.cameras.values()
    place = Placement((camera.width, camera.height), (64, 48), (64 / 1024, 48 / 768))
    maps = None if depth is None else torch.full((NUM_VIEWS, 48, 64), depth)
    scene = Mock(depth=maps, placements=(place,) * NUM_VIEWS)
    ids = tuple(sorted(model.images))
    rest = {name: Mock() for name in ("options", "sift_graph", "view_graph", "database")}
    return Mock(spec=MatchedPhotos, scene=scene, image_ids=ids, **rest)


def move_away(model: pycolmap.Reconstruction, view: int, distance: float) -> None:
    image = model.image(sorted(model.images)[view])
    pose = image.cam_from_world()
    moved = pycolmap.Rigid3d(pose.rotation, pose.translation + np.array([0.0, 0.0, distance]))
    image.frame.set_cam_from_world(image.camera_id, moved)


def test_a_photo_in_a_world_of_its_own_is_off_scale(model: pycolmap.Reconstruction) -> None:
    photos = photos_of(model, 1.0)
    assert off_scale_views(photos, model) == set()
    move_away(model, 3, 10.0)  # a few times as far, as a guess may be off
    assert off_scale_views(photos, model) == set()
    move_away(model, 3, 10_000.0)
    assert off_scale_views(photos, model) == {3}
    assert off_scale_views(photos_of(model, 500.0), model) == {3}  # depth has a unit of its own


def test_without_depth_nothing_is_said(model: pycolmap.Reconstruction) -> None:
    move_away(model, 3, 10_000.0)
    assert off_scale_views(photos_of(model, None), model) == set()


@pytest.mark.parametrize("fixed", [False, True])
def test_an_attempt_holds_no_photo_off_scale_but_those_whose_poses_are_known(
    model: pycolmap.Reconstruction, monkeypatch: pytest.MonkeyPatch, fixed: bool
) -> None:
    move_away(model, 3, 10_000.0)
    monkeypatch.setattr(attempts, "map_models", lambda *_, **__: [model])
    monkeypatch.setattr(attempts, "count_match_inliers", lambda *_: MatchInliers(1.0, 1.0))
    attempt = Mock(spec=Attempt, setup=Mock(), fixed_poses={3: torch.eye(3, 4)} if fixed else {})
    attempt.name, attempt.thresholds, attempt.start = "from pairs", Mock(), None
    result = run_attempt(photos_of(model, 1.0), attempt)
    assert result is not None
    assert result.reconstruction.image(sorted(model.images)[3]).has_pose == fixed
    assert result.reconstruction.num_reg_images() == NUM_VIEWS - (not fixed)
