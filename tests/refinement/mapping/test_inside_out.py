"""A model and its mirror image in depth: hard to tell by its errors, easy by what it explains."""

import copy
from itertools import combinations
from typing import Any
from unittest.mock import Mock

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.refinement.mapping import inside_out
from glance3d.refinement.mapping.attempt_results import Attempt, AttemptResult
from glance3d.refinement.mapping.inside_out import map_inside_out, turned_inside_out
from glance3d.refinement.mapping.match_inliers import count_match_inliers
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.pycolmap_interface import pose_from_rigid
from glance3d.types import Cameras
from tests.refinement.mapping.synthetic import one_camera, relative_rotations


def seen_from(distance: float, focal: float) -> pycolmap.Reconstruction:
    """Six photos of points in a box, by cameras that turn about it."""
    model = pycolmap.synthesize_dataset(one_camera(6, 150))
    random = np.random.default_rng(0)
    for point in model.points3D.values():
        point.xyz = random.uniform(-1, 1, 3)
    (camera,) = model.cameras.values()
    camera.focal_length = focal
    for number, (_, image) in enumerate(sorted(model.images.items())):
        turn = pycolmap.Rotation3d(np.array([0.02 * number**2, 0.06 * number, 0.0]))
        pose = pycolmap.Rigid3d(turn, np.array([0.05 * number, 0.0, distance]))
        image.frame.set_cam_from_world(image.camera_id, pose)
        for point in image.points2D:
            if point.has_point3D():
                point.xy = camera.img_from_cam(pose * model.points3D[point.point3D_id].xyz)
    model.update_point_3d_errors()
    return model


def test_from_afar_both_fit_with_other_motions() -> None:
    model = seen_from(60.0, 30000.0)
    turned = turned_inside_out(model)
    turned.update_point_3d_errors()
    far = turned.compute_mean_reprojection_error()
    near = turned_inside_out(seen_from(6.0, 3000.0))
    near.update_point_3d_errors()
    assert far < near.compute_mean_reprojection_error() / 5
    moves = np.abs(relative_rotations(turned) - relative_rotations(model)).max()
    assert moves > 0.3


def test_turned_twice_it_moves_as_before() -> None:
    model = seen_from(6.0, 3000.0)
    again = turned_inside_out(turned_inside_out(model))
    np.testing.assert_allclose(relative_rotations(again), relative_rotations(model), atol=1e-9)


def test_few_points_are_those_that_most_photos_see() -> None:
    model = seen_from(6.0, 3000.0)
    lengths = sorted((point.track.length() for point in model.points3D.values()), reverse=True)
    kept = turned_inside_out(model, 40)
    assert sorted((p.track.length() for p in kept.points3D.values()), reverse=True) == lengths[:40]
    assert model.num_points3D() == 150


def photos_of(model: pycolmap.Reconstruction) -> Any:
    ids = tuple(sorted(model.images))
    (camera,) = model.cameras.values()
    matrix = torch.from_numpy(camera.calibration_matrix()).expand(len(ids), 3, 3)
    poses = torch.stack([pose_from_rigid(model.image(i).cam_from_world()) for i in ids]).double()
    sizes = torch.tensor([[camera.width, camera.height]] * len(ids))
    pixels = [{p.point3D_id: p.xy for p in model.image(i).points2D if p.has_point3D()} for i in ids]
    pairs = []
    for first, second in combinations(range(len(ids)), 2):
        common = sorted(pixels[first].keys() & pixels[second].keys())
        sides = (np.array([pixels[view][point] for point in common]) for view in (first, second))
        pairs.append(VerifiedPair(first, second, *sides, False))
    graph = ViewGraph(len(ids), tuple(pairs))
    scene = Mock(cameras=Cameras(poses, matrix, sizes))
    return Mock(spec=MatchedPhotos, scene=scene, view_graph=graph, image_ids=ids)


def result_of(photos: Any, model: pycolmap.Reconstruction) -> AttemptResult:
    inliers = count_match_inliers(photos.view_graph, photos.scene.cameras, model, photos.image_ids)
    setup = Mock(assignment=Mock(constant_ids=(1,)))
    return AttemptResult(Mock(spec=Attempt, setup=setup, fixed_poses={}), model, inliers)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list:
    """Instead of the mapper's models, those with the poses that it was to start from."""
    poses: list = []
    monkeypatch.setattr(inside_out, "attempt_from", lambda *given: poses.append(given[2]) or given)
    monkeypatch.setattr(inside_out, "describe_attempt", lambda *_: {"start": "again"})

    def run(photos: Any, attempt: Any) -> AttemptResult:
        model = copy.deepcopy(attempt[1].reconstruction)
        for view, pose in poses[-1].items():
            image = model.image(photos.image_ids[view])
            rigid = pycolmap.Rigid3d(pose.double().numpy())
            image.frame.set_cam_from_world(image.camera_id, rigid)
        return result_of(photos, model)

    monkeypatch.setattr(inside_out, "run_attempt", run)
    return poses


def test_a_model_that_is_inside_out_is_turned(tried: list) -> None:
    truth = seen_from(6.0, 3000.0)
    photos = photos_of(truth)
    wrong = result_of(photos, turned_inside_out(truth))
    assert wrong.inliers.share < 0.9
    result, records = map_inside_out(photos, wrong)
    assert result.inliers.share > 0.99
    assert records == ({"start": "again"},)
    turned = relative_rotations(result.reconstruction)
    np.testing.assert_allclose(turned, relative_rotations(truth), atol=1e-3)


def test_one_that_is_right_is_left_alone(tried: list) -> None:
    truth = seen_from(6.0, 3000.0)
    photos = photos_of(truth)
    pairs = photos.view_graph.pairs
    # Some matches are wrong, so that there would be more to explain.
    pairs[0].pixels_second[::3] += 50.0
    right = result_of(photos, truth)
    assert right.inliers.share < 0.98
    assert map_inside_out(photos, right) == (right, ())
    assert tried == []


def test_of_many_photos_each_is_looked_at_with_those_that_match_it_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inside_out, "_TOGETHER", 2)
    # 0 to 4 in a row, each matched most with the next; 5 has no pose.
    counts = {(0, 1): 50, (1, 2): 40, (0, 2): 10, (2, 3): 30, (3, 4): 20, (4, 5): 90}
    pixels = np.zeros((90, 2))
    pairs = tuple(
        VerifiedPair(*views, pixels[:n], pixels[:n], False) for views, n in counts.items()
    )
    graph = ViewGraph(6, pairs)
    assert list(inside_out._parts(graph, {0, 1, 2, 3, 4})) == [{0, 1}, {1, 2}, {2, 3}, {3, 4}]
    assert list(inside_out._parts(graph, {0, 1, 2, 3})) == [{0, 1, 2, 3}]
