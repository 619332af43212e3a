"""Windows of a known scene become that scene again."""

from dataclasses import replace

import pytest
import torch

from glance3d.errors import InputError
from glance3d.geometry.rotations import rotation_angle
from glance3d.types import Predictions
from glance3d.windows import (
    MemoryStore,
    WindowOptions,
    WindowStore,
    lay_out,
    predict_in_windows,
)
from tests.windows.scenes import HEIGHT, WIDTH, Oracle, walk

SCALES = (1.0, 3.7, 0.2, 1.4)


def _joined(oracle: Oracle, size: int, overlap: int | None = None, reference: int = 0):
    usable = torch.ones(len(oracle), HEIGHT, WIDTH, dtype=torch.bool)
    windows = lay_out(len(oracle), WindowOptions(size, overlap), reference)
    return predict_in_windows(oracle.predict, windows, usable)


def _assert_true(predictions: Predictions, oracle: Oracle, atol: float = 1e-4) -> None:
    torch.testing.assert_close(
        predictions.cameras()[0][0], oracle.cam_from_world.float(), atol=atol, rtol=0
    )
    assert predictions.depth is not None
    torch.testing.assert_close(predictions.depth[0], oracle.depth.float(), atol=atol, rtol=atol)


@pytest.mark.parametrize(("size", "overlap"), [(8, None), (5, 3), (3, None), (4, 1), (2, None)])
def test_the_truth_comes_back(size: int, overlap: int | None) -> None:
    oracle = walk(12, scales=SCALES)
    predictions, graph = _joined(oracle, size, overlap)
    _assert_true(predictions, oracle)
    for alignment in graph.alignments:
        assert alignment.num_agreeing == len(alignment.shared)
        assert alignment.rotation_deg < 0.01
        assert alignment.distance < 1e-4
        assert alignment.depth_spread < 1e-4
        assert alignment.scale_spread is None or alignment.scale_spread < 1e-3


def test_the_world_is_the_reference_views_wherever_it_is() -> None:
    oracle = walk(20, scales=SCALES)
    predictions, _ = _joined(oracle, 8, reference=11)
    poses = predictions.cameras()[0][0]
    torch.testing.assert_close(poses[11], torch.eye(3, 4), atol=1e-5, rtol=0)
    expected = oracle.cam_from_world[..., :3] @ oracle.cam_from_world[11, :, :3].T
    assert float(rotation_angle(poses[..., :3].double(), expected).max()) < 1e-3


def test_one_window_is_told_as_it_is() -> None:
    oracle = walk(6)
    predictions, graph = _joined(oracle, 8)
    oracle.passes = 0
    plain = oracle.predict(range(6))
    assert graph.alignments == ()
    assert torch.equal(predictions.pose_enc, plain.pose_enc)
    assert torch.equal(predictions.depth, plain.depth)
    assert torch.equal(predictions.depth_conf, plain.depth_conf)


def test_what_is_uncertain_and_a_wrong_camera_move_nothing() -> None:
    oracle = walk(20, scales=SCALES, noise=0.5, wrong=frozenset({(1, 7), (2, 9)}))
    predictions, graph = _joined(oracle, 8, overlap=5)
    assert graph.alignments[0].num_agreeing == len(graph.alignments[0].shared) - 1
    views = [view for view in range(20) if view not in (7, 9)]
    angles = rotation_angle(
        predictions.cameras()[0][0, views, :, :3].double(), oracle.cam_from_world[views, :, :3]
    )
    assert float(angles.rad2deg().max()) < 0.2
    shifts = (predictions.cameras()[0][0, views, :, 3] - oracle.cam_from_world[views, :, 3]).norm(
        dim=-1
    )
    assert float(shifts.max()) < 0.05  # of cameras six apart
    ratios = (
        predictions.depth[0][predictions.depth_conf[0] >= 1.5]
        / oracle.depth[predictions.depth_conf[0] >= 1.5]
    )
    assert float((ratios - 1).abs().median()) < 1e-4
    assert float((ratios - 1).abs().max()) < 0.05  # what is uncertain counts less, where it agrees


def test_shared_views_stand_where_the_window_that_held_them_first_says() -> None:
    oracle = walk(12, scales=SCALES, noise=0.3)
    predictions, graph = _joined(oracle, 8)
    oracle.passes = 0
    first = oracle.predict(range(8))
    alone = [view for view in range(8) if view not in graph.windows[1]]
    assert alone
    assert torch.equal(predictions.depth[0, alone], first.depth[0, alone])
    assert torch.equal(predictions.pose_enc[0, :8], first.pose_enc[0])


def test_disagreement_is_measured() -> None:
    oracle = walk(12, scales=(1.0, 2.0), wrong=frozenset({(1, 5), (1, 6)}))
    _, graph = _joined(oracle, 8, overlap=4)
    assert [alignment.shared for alignment in graph.alignments] == [(7, 4, 5, 6)]
    assert graph.alignments[0].rotation_deg > 5
    assert graph.alignments[0].distance > 0.01
    assert graph.alignments[0].scale_spread is not None
    assert graph.alignments[0].scale_spread > 0.01
    assert graph.alignments[0].depth_spread < 1e-4


def test_points_move_with_their_window() -> None:
    oracle = walk(12, scales=SCALES)
    predict = oracle.predict

    def with_points(views) -> Predictions:
        predictions = predict(views)
        poses = predictions.cameras()[0][0]
        centers = -(poses[..., :3].transpose(-1, -2) @ poses[..., 3:])[..., 0]
        points = centers[:, None, None].expand(-1, HEIGHT, WIDTH, 3)[None]
        return replace(predictions, points_world=points, points_conf=predictions.depth_conf)

    usable = torch.ones(12, HEIGHT, WIDTH, dtype=torch.bool)
    predictions, _ = predict_in_windows(with_points, lay_out(12, WindowOptions(5)), usable)
    true = oracle.cam_from_world
    centers = -(true[..., :3].transpose(-1, -2) @ true[..., 3:])[..., 0]
    torch.testing.assert_close(
        predictions.points_world[0, :, 3, 4], centers.float(), atol=1e-3, rtol=0
    )


def test_windows_without_common_depth_are_refused() -> None:
    oracle = walk(12)
    usable = torch.ones(12, HEIGHT, WIDTH, dtype=torch.bool)
    usable[4:8] = False
    windows = lay_out(12, WindowOptions(8, 4))
    with pytest.raises(InputError, match="views 4 to 11 cannot be joined"):
        predict_in_windows(oracle.predict, windows, usable)


def test_a_window_in_the_store_is_not_seen_again() -> None:
    oracle = walk(20, scales=SCALES, noise=0.3)
    usable = torch.ones(20, HEIGHT, WIDTH, dtype=torch.bool)
    windows = lay_out(20, WindowOptions(8))
    store = MemoryStore()
    predictions, _ = predict_in_windows(oracle.predict, windows, usable, store=store)
    assert oracle.passes == len(windows)
    again, _ = predict_in_windows(oracle.predict, windows, usable, store=store)
    assert oracle.passes == len(windows)
    assert torch.equal(again.depth, predictions.depth)
    assert isinstance(store, WindowStore)
    assert len(windows) not in store
