"""The parts of refinement by themselves, without features."""

import numpy as np
import pytest
import torch

from glance3d.errors import ConfigError
from glance3d.geometry.cameras import project_points
from glance3d.multiview.epipolar_errors import epipolar_errors, view_epipolar_errors
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.refinement.matching.camera_models import (
    build_colmap_camera,
    default_focal,
    intrinsics_of,
)
from glance3d.refinement.matching.pose_verification import verify_poses
from glance3d.refinement.matching.shared_cameras import shared_camera_ids
from glance3d.refinement.options import RefineOptions
from glance3d.types import Cameras, PhotoMetadata, Placement, Reconstruction
from tests.refinement.rendered import FOCAL, SIZE, arc


def cameras(num_views: int = 4) -> Cameras:
    matrix = torch.tensor([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]])
    return Cameras(
        torch.stack(arc(num_views)).float(),
        matrix.expand(num_views, 3, 3),
        torch.tensor([SIZE] * num_views),
    )


def graph_of(cameras: Cameras, num_points: int = 80, noise: float = 0.2) -> ViewGraph:
    """Every pair of views, with the projections of points in a box before them."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(num_points, 3, generator=generator) * 2 + torch.tensor([-1.0, -0.7, 1.0])
    count = len(cameras)
    pixels, _ = project_points(
        points.expand(count, -1, -1), cameras.cam_from_world, cameras.intrinsics
    )
    pixels = (pixels + noise * torch.randn(pixels.shape, generator=generator)).double().numpy()
    pairs = tuple(
        VerifiedPair(i, j, pixels[i], pixels[j], False)
        for i in range(count)
        for j in range(i + 1, count)
    )
    return ViewGraph(count, pairs)


def scene_of(
    sizes: list[tuple[int, int]], facts: tuple[PhotoMetadata, ...] = (), folders: str = "aaaaaaa"
) -> Reconstruction:
    count = len(sizes)
    return Reconstruction(
        names=tuple(f"{i}.jpg" for i in range(count)),
        sources=tuple(f"{folders[i]}/{i}.jpg" for i in range(count)),
        placements=tuple(Placement(size, (8, 8)) for size in sizes),
        cameras=Cameras(torch.zeros(count, 3, 4), torch.zeros(count, 3, 3), torch.tensor(sizes)),
        colors=torch.zeros(count, 8, 8, 3, dtype=torch.uint8),
        mask=torch.ones(count, 8, 8, dtype=torch.bool),
        facts=facts,
    )


def test_matches_lie_on_the_epipolar_lines_of_true_cameras() -> None:
    for pair in graph_of(cameras(), noise=0.0).pairs:
        assert epipolar_errors(pair, cameras()).max() < 1e-3


def test_an_epipolar_error_is_in_pixels() -> None:
    pair = graph_of(cameras(2), noise=0.0).pairs[0]
    up = VerifiedPair(0, 1, pair.pixels_first, pair.pixels_second + np.array([0.0, 2.0]), False)
    # Half of the two pixels each, as the first-order distance to both images shares them.
    assert epipolar_errors(up, cameras(2)) == pytest.approx(np.full(len(up), 2**0.5), rel=0.1)


def test_a_view_without_matches_has_no_error() -> None:
    graph = ViewGraph(5, graph_of(cameras()).pairs)
    errors = view_epipolar_errors(graph, cameras(5))
    assert errors[4] == float("inf")


def test_true_poses_are_confirmed() -> None:
    found = verify_poses(graph_of(cameras()), cameras(), range(4))
    assert found.confirmed == (0, 1, 2, 3)
    assert found.num_agreeing_pairs == found.num_pairs == 6
    assert found.contradicted == ()


def test_a_turned_pose_is_contradicted_and_the_others_are_not() -> None:
    true = cameras()
    poses = true.cam_from_world.clone()
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    poses[2] = turn @ poses[2]
    wrong = Cameras(poses, true.intrinsics, true.image_sizes)
    found = verify_poses(graph_of(true), wrong, range(4))
    assert found.confirmed == (0, 1, 3)
    assert found.contradicted == (2,)


def test_a_flat_pair_confirms_nothing() -> None:
    pairs = tuple(
        VerifiedPair(p.first, p.second, p.pixels_first, p.pixels_second, True)
        for p in graph_of(cameras()).pairs
    )
    found = verify_poses(ViewGraph(4, pairs), cameras(), range(4))
    assert found.confirmed == ()
    assert found.num_pairs == 0


_A, _B = PhotoMetadata("A"), PhotoMetadata("B")
_A28, _A52 = PhotoMetadata("A", 28.0), PhotoMetadata("A", 52.0)


@pytest.mark.parametrize(
    ("camera", "sizes", "facts", "wanted"),
    [
        ("auto", [(4, 3)] * 3, (), [0, 0, 0]),
        ("auto", [(4, 3), (3, 4), (4, 3), (4, 3)], (), [0, 1, 0, 0]),
        ("auto", [(4, 3), (5, 3), (6, 3), (4, 3)], (), [0, 1, 2, 3]),
        # Many people's photos, of which some have the same size by chance.
        ("auto", [(4, 3), (5, 3), (6, 3)] * 2 + [(3, 4)], (), [0, 1, 2, 3, 4, 5, 6]),
        ("auto", [(4, 3)] * 3, (_A28, _A28, _B), [0, 0, 1]),
        ("auto", [(4, 3)] * 2, (_A28, _A52), [0, 1]),
        ("per-image", [(4, 3)] * 3, (), [0, 1, 2]),
        ("single", [(4, 3), (4, 3), (3, 4)], (_A, _B, _A), [0, 0, 1]),
    ],
)  # fmt: skip
def test_who_shares_a_camera(
    camera: str, sizes: list[tuple[int, int]], facts: tuple[PhotoMetadata, ...], wanted: list[int]
) -> None:
    assert shared_camera_ids(scene_of(sizes, facts), camera) == wanted


def test_a_camera_a_folder() -> None:
    scene = scene_of([(4, 3)] * 4, folders="abab")
    assert shared_camera_ids(scene, "per-folder") == [0, 1, 0, 1]


def test_a_focal_length_on_film_becomes_pixels() -> None:
    # 43.27 mm on film of that diagonal: as many pixels as the photo's diagonal.
    facts = PhotoMetadata(focal_35mm=43.2666)
    assert facts.focal_length((4000, 3000)) == pytest.approx(5000, rel=1e-4)
    assert PhotoMetadata().focal_length((4000, 3000)) is None
    assert default_focal((4000, 3000)) == 4800


def test_known_intrinsics_go_through_colmap_unchanged() -> None:
    matrix = torch.tensor([[500.0, 0, 310], [0, 510, 255], [0, 0, 1]]).double()
    camera = build_colmap_camera((640, 480), 1.0, "pinhole", known=matrix, known_radial=-0.1)
    back, radial = intrinsics_of(camera)
    torch.testing.assert_close(back, matrix)
    assert radial == pytest.approx(-0.1)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="camera is one of auto, single"):
        RefineOptions(camera="each")
