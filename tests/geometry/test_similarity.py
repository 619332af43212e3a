import pytest
import torch

from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_centers, project_points
from glance3d.geometry.rotations import so3_exp
from glance3d.geometry.similarity import Similarity, estimate_similarity


@pytest.fixture
def similarity() -> Similarity:
    rotation = so3_exp(torch.tensor([0.3, -0.8, 1.1], dtype=torch.float64))
    return Similarity(2.5, rotation, torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))


def test_the_similarity_between_two_clouds_is_found(similarity: Similarity) -> None:
    points = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    estimated = estimate_similarity(points, similarity.transform_points(points))
    assert estimated.scale == pytest.approx(2.5, rel=1e-9)
    torch.testing.assert_close(estimated.rotation, similarity.rotation)
    torch.testing.assert_close(estimated.translation, similarity.translation)


def test_a_point_of_weight_zero_counts_for_nothing(similarity: Similarity) -> None:
    points = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = similarity.transform_points(points)
    target[3] += 100
    weights = torch.ones(7)
    weights[3] = 0
    torch.testing.assert_close(
        estimate_similarity(points, target, weights).rotation, similarity.rotation
    )


def test_a_mirrored_cloud_still_gives_a_rotation() -> None:
    points = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mirrored = points * torch.tensor([1.0, 1.0, -1.0])
    assert torch.linalg.det(estimate_similarity(points, mirrored).rotation) == pytest.approx(1)


def test_inverse_and_compose_cancel(similarity: Similarity) -> None:
    same = similarity.inverse().compose(similarity)
    points = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(same.transform_points(points), points)


def test_cameras_move_with_their_world(similarity: Similarity) -> None:
    rotation = so3_exp(torch.randn(4, 3, dtype=torch.float64))
    poses = torch.cat([rotation, torch.randn(4, 3, 1, dtype=torch.float64)], -1)
    points = torch.randn(6, 3, dtype=torch.float64)
    intrinsics = torch.eye(3, dtype=torch.float64).expand(4, 3, 3)
    moved = similarity.transform_cameras(poses)
    before, depth = project_points(points.expand(4, 6, 3), poses, intrinsics)
    after, depth_moved = project_points(
        similarity.transform_points(points).expand(4, 6, 3), moved, intrinsics
    )
    torch.testing.assert_close(before, after)
    torch.testing.assert_close(depth * 2.5, depth_moved)
    torch.testing.assert_close(
        camera_centers(moved), similarity.transform_points(camera_centers(poses))
    )


def test_no_points_give_a_sentence() -> None:
    with pytest.raises(InputError, match="at least one point"):
        estimate_similarity(torch.zeros(0, 3), torch.zeros(0, 3))
