"""Photos that are upside down are turned for the pass, and its results turned back."""

import torch
from torch import Tensor

from glance3d.geometry.pose_encoding import decode_pose
from glance3d.models.vggt.upside_down import (
    turned_images,
    turned_predictions,
    upside_down_views,
)
from glance3d.multiview.options import UpsideDownOptions
from glance3d.types import Predictions

OPTIONS = UpsideDownOptions()
SIZE = (6, 8)
TURNED = torch.diag(torch.tensor([-1.0, -1, 1]))


def likeness(of_pairs: dict[tuple[int, int], float]) -> list[list[float]]:
    matrix = torch.full((5, 5), 0.02)
    for (first, second), value in of_pairs.items():
        matrix[first, second] = matrix[second, first] = value
    return matrix.tolist()


def test_a_group_that_only_fits_turned_is_turned() -> None:
    upright = likeness({(0, 1): 0.5, (1, 2): 0.3, (3, 4): 0.4})
    crossed = likeness({(2, 3): 0.15})
    assert upside_down_views(upright, crossed, OPTIONS) == [3, 4]
    assert upside_down_views(upright, likeness({}), OPTIONS) == []


def test_turns_along_a_way_cancel() -> None:
    upright = likeness({})
    crossed = likeness({(0, 1): 0.5, (1, 2): 0.4, (2, 3): 0.3, (3, 4): 0.2})
    assert upside_down_views(upright, crossed, OPTIONS) == [1, 3]


def test_what_fits_either_way_stays() -> None:
    upright = likeness({(0, 1): 0.5, (1, 2): 0.3, (2, 3): 0.12, (3, 4): 0.4})
    crossed = likeness({(2, 3): 0.15, (1, 4): 0.05})
    assert upside_down_views(upright, crossed, OPTIONS) == []


def random_predictions() -> Predictions:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    pose_enc = torch.cat([random(1, 3, 7) - 0.5, 0.5 + random(1, 3, 2)], -1)
    return Predictions(
        SIZE,
        pose_enc=pose_enc,
        pose_enc_iterations=pose_enc[None],
        depth=random(1, 3, *SIZE),
        depth_conf=random(1, 3, *SIZE),
        points_world=random(1, 3, *SIZE, 3),
        tracks=8 * random(1, 3, 4, 2),
        visibility=random(1, 3, 4),
    )


def test_results_are_turned_back() -> None:
    before = random_predictions()
    after = turned_predictions(before, [2])
    old, new = (decode_pose(each.pose_enc, *SIZE) for each in (before, after))
    torch.testing.assert_close(new[0][:, :2], old[0][:, :2])
    torch.testing.assert_close(new[0][:, 2], TURNED @ old[0][:, 2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(new[1], old[1])
    torch.testing.assert_close(after.pose_enc_iterations[-1], after.pose_enc)
    assert after.depth[0, 2, 0, 0] == before.depth[0, 2, -1, -1]
    assert after.depth[0, 1].equal(before.depth[0, 1])
    assert after.points_world[0, 2, 1, 2].equal(before.points_world[0, 2, 4, 5])
    expected = torch.tensor([7.0, 5.0]) - before.tracks[0, 2]
    torch.testing.assert_close(after.tracks[0, 2], expected)
    assert after.visibility is before.visibility
    assert after.points_conf is None


def test_turning_twice_is_nothing() -> None:
    images = torch.rand(3, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    turned = turned_images(images, [1, 2])
    assert turned[0].equal(images[0])
    assert turned[1, :, 0, 0].equal(images[1, :, -1, -1])
    assert turned_images(turned, [1, 2]).equal(images)
    before = random_predictions()
    twice = turned_predictions(turned_predictions(before, [1]), [1])
    assert twice.depth.equal(before.depth)
    torch.testing.assert_close(twice.tracks, before.tracks)
