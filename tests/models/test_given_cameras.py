"""Given cameras: the published way in and out, and scales that cannot be told."""

import pytest
import torch
from torch import Tensor

from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.rotations import so3_exp
from glance3d.geometry.similarity import Similarity
from glance3d.models.given_cameras import fit_given, normalise_given, with_given
from glance3d.types import Cameras, Predictions
from tests.models.da3.golden import assert_close, load_golden

TOLERANCE = 5e-6


def drawn_cameras(num_views: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    rotation = so3_exp(torch.randn(num_views, 3, generator=random))
    return torch.cat([rotation, torch.randn(num_views, 3, 1, generator=random)], -1)


@pytest.mark.parametrize("case", ["six", "twelve"])
def test_the_published_preparation(case: str) -> None:
    golden = load_golden("da3_given_cameras")
    normalised = normalise_given(golden[f"{case}_given"][:, :3])
    assert normalised.dtype == torch.float32
    assert_close(normalised, golden[f"{case}_normalised"][:, :3], TOLERANCE)


@pytest.mark.parametrize("case", ["six", "twelve"])
def test_the_published_fit(case: str) -> None:
    golden = load_golden("da3_given_cameras")
    given = golden[f"{case}_given"][:, :3]
    fit = fit_given(given, golden[f"{case}_predicted"])
    assert fit is not None
    similarity = fit.predicted_from_given
    assert similarity.scale == pytest.approx(float(golden[f"{case}_scale"]), rel=TOLERANCE)
    aligned = similarity.transform_cameras(given)
    assert_close(aligned, golden[f"{case}_aligned"], TOLERANCE)
    assert 0.001 < fit.disagreement < 0.05  # the golden predictions are noisy


def test_the_unit_is_the_lower_median_and_has_a_floor() -> None:
    cameras = torch.eye(3, 4).repeat(2, 4, 1, 1)
    cameras[0, :, 0, 3] = torch.tensor([1.0, 1.0, 4.0, 10.0])  # distances 0, 0, 3 and 9
    cameras[1, :, 0, 3] = torch.tensor([1.0, 3.0, 5.0, 10.0])  # distances 0, 2, 4 and 9
    shifts = normalise_given(cameras)[:, :, 0, 3]
    assert torch.allclose(shifts[0], torch.tensor([0.0, 0.0, 30.0, 90.0]))
    assert torch.allclose(shifts[1], torch.tensor([0.0, 1.0, 2.0, 4.5]))


def test_map_coordinates_lose_nothing() -> None:
    rotation = so3_exp(drawn_cameras(5)[..., 3].double())
    cameras = torch.cat([rotation, drawn_cameras(5)[..., 3:].double()], -1)
    far = Similarity(1.0, torch.eye(3), torch.tensor([4.5e5, 5.1e6, 300.0]))
    moved = normalise_given(far.transform_cameras(cameras))
    assert_close(moved, normalise_given(cameras), 1e-8)


@pytest.mark.parametrize("num_views", [2, 3, 9, 10, 25])
def test_a_similarity_comes_out_whole(num_views: int) -> None:
    given = drawn_cameras(num_views)
    predicted_from_given = Similarity(
        0.7, so3_exp(torch.tensor([0.3, -1.0, 0.5])), torch.tensor([1.0, 2.0, 3.0])
    )
    fit = fit_given(given, predicted_from_given.transform_cameras(given))
    assert fit is not None
    assert fit.predicted_from_given.scale == pytest.approx(0.7, rel=1e-5)
    assert fit.disagreement < 1e-6


def test_outliers_are_left_out_from_ten_views_on() -> None:
    given = drawn_cameras(14)
    predicted = Similarity(2.0, torch.eye(3), torch.zeros(3)).transform_cameras(given)
    noise = 0.01 * torch.randn(14, 3, generator=torch.Generator().manual_seed(1))
    predicted[..., 3] += noise
    predicted[3, :, 3] += 30.0
    fit = fit_given(given, predicted)
    assert fit is not None
    assert fit.predicted_from_given.scale == pytest.approx(2.0, rel=0.02)
    few = fit_given(given[:6], predicted[:6])
    assert few is not None
    assert few.predicted_from_given.scale != pytest.approx(2.0, rel=0.5)


def _at_one_place(cameras: Tensor, centre: Tensor) -> Tensor:
    shift = -(cameras[..., :3] @ centre[:, None])
    return torch.cat([cameras[..., :3], shift], -1)


def test_no_scale_from_one_view_or_from_one_place() -> None:
    given, predicted = drawn_cameras(12), drawn_cameras(12, seed=1)
    here = _at_one_place(given, torch.tensor([100.0, -20.0, 3.0]))
    assert camera_centers(here).std(0).max() > 0  # but for rounding
    for num_views in (3, 12):
        assert fit_given(here[:num_views], predicted[:num_views]) is None
        assert (
            fit_given(given[:num_views], _at_one_place(predicted, torch.ones(3))[:num_views])
            is None
        )
    assert fit_given(given[:1], predicted[:1]) is None
    broken = predicted.clone()
    broken[4, 0, 3] = torch.nan
    assert fit_given(given, broken) is None


def test_half_of_the_cameras_at_one_place_still_tell() -> None:
    given = drawn_cameras(12)
    given[:7] = _at_one_place(given[:7], torch.zeros(3))
    predicted = Similarity(3.0, torch.eye(3), torch.ones(3)).transform_cameras(given)
    fit = fit_given(given, predicted)
    assert fit is not None
    assert fit.predicted_from_given.scale == pytest.approx(3.0, rel=1e-5)


def test_depth_and_points_come_into_the_world_of_the_given_cameras() -> None:
    """On a line, which leaves the turn about it to the rotations."""
    given = drawn_cameras(4)
    centres = torch.linspace(0, 3, 4)[:, None] * torch.tensor([1.0, 2, -1])
    given[..., 3:] = -(given[..., :3] @ centres[..., None])
    predicted_from_given = Similarity(
        0.5, so3_exp(torch.tensor([0.3, 1.0, 0.2])), torch.tensor([1.0, -2, 0.5])
    )
    random = torch.Generator().manual_seed(2)
    points = torch.randn(1, 4, 3, 5, 3, generator=random)
    depth = 1 + torch.rand(1, 4, 3, 5, generator=random)
    predictions = Predictions(
        (3, 5),
        cam_from_world=predicted_from_given.transform_cameras(given)[None],
        intrinsics=torch.eye(3).repeat(1, 4, 1, 1),
        depth=0.5 * depth,
        points_world=predicted_from_given.transform_points(points),
    )
    own = torch.tensor([[4.0, 0, 2], [0, 4, 1], [0, 0, 1]]).repeat(4, 1, 1)
    cameras = Cameras(given, own, torch.tensor([[5, 3]] * 4))
    moved, fit = with_given(predictions, cameras)
    assert fit is not None
    assert torch.equal(moved.cameras()[0][0], given)
    assert torch.equal(moved.cameras()[1][0], own)
    torch.testing.assert_close(moved.depth, depth)
    torch.testing.assert_close(moved.points_world, points, atol=1e-5, rtol=1e-5)
