"""Windows whose cameras were given lie in one world already."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from glance3d.types import Predictions
from glance3d.windows import WindowOptions, lay_out, predict_in_windows
from tests.windows.scenes import HEIGHT, WIDTH, Oracle, walk


def in_the_given_world(oracle: Oracle, views: Sequence[int]) -> Predictions:
    """What a pass predicts once the given cameras are its own: depth in their unit, or nearly."""
    factor = 1 + 0.1 * oracle.passes
    poses = oracle.cam_from_world[list(views)][None].float()
    depth = oracle.depth[list(views)][None].float() * factor
    return replace(
        oracle.predict(views),
        pose_enc=None,
        cam_from_world=poses,
        intrinsics=poses[..., :3],
        depth=depth,
    )


def test_nothing_is_moved() -> None:
    oracle = walk(12)
    usable = torch.ones(12, HEIGHT, WIDTH, dtype=torch.bool)
    windows = lay_out(12, WindowOptions(7, 2))
    predictions, graph = predict_in_windows(
        lambda views: in_the_given_world(oracle, views), windows, usable, in_one_world=True
    )
    assert torch.equal(predictions.cameras()[0][0], oracle.cam_from_world.float())
    last = [view for view in windows[-1] if view not in windows[0]]
    torch.testing.assert_close(predictions.depth[0, last], 1.1 * oracle.depth[last].float())
    spreads = [alignment.depth_spread for alignment in graph.alignments]
    assert spreads == pytest.approx([0.1], abs=1e-4)
    assert graph.alignments[0].world_from_window.scale == 1.0
    assert graph.alignments[0].rotation_deg == 0.0
