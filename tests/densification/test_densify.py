"""Densified scenes of ray-cast planes, whose depth is known exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from glance3d.densification import SweepOptions, densify
from glance3d.errors import ConfigError, InputError
from glance3d.geometry.cameras import project_points
from glance3d.types import Reconstruction
from tests.densification.scenes import (
    Patch,
    blank,
    build_scene,
    row_of_cameras,
    sparse_points,
)


def relative_errors(dense: Reconstruction, truth: list[Tensor]) -> Tensor:
    """Of the measured pixels."""
    assert dense.depth is not None
    assert dense.measured is not None
    errors = []
    for view, depth in enumerate(truth):
        place = dense.placements[view]
        predicted = place.map_to_original(dense.depth[view])
        kept = place.map_to_original(dense.measured[view].float()) > 0
        errors.append((predicted[kept] / depth[kept] - 1).abs())
    return torch.cat(errors)


def measured_share(dense: Reconstruction) -> float:
    assert dense.measured is not None
    return float(dense.measured[dense.mask].float().mean())


def test_a_slanted_plane_is_measured_to_a_fraction_of_a_percent() -> None:
    scene, photos, truth = build_scene([Patch(4.0, slope=0.3)], row_of_cameras(3), 5.0)
    dense = densify(scene, photos)
    errors = relative_errors(dense, truth)
    assert measured_share(dense) > 0.85
    assert errors.median() < 0.003
    assert errors.quantile(0.99) < 0.02
    assert dense.depth is not None
    assert dense.depth.shape == (3, 90, 120)
    assert dense.consistent is not None
    assert dense.consistent.float().mean() > 0.99


def test_points_project_onto_their_own_pixels_of_the_original_photo() -> None:
    scene, photos, _ = build_scene([Patch(4.0)], row_of_cameras(2), 4.5)
    dense = densify(scene, photos, max_pixels=3000)
    assert dense.points_world is not None
    points = dense.points_world[1][20, 30]
    pixels, _ = project_points(
        points[None], scene.cameras.cam_from_world[1], scene.cameras.intrinsics[1]
    )
    on_grid = dense.placements[1].to_processed(pixels)
    torch.testing.assert_close(on_grid[0], torch.tensor([30.5, 20.5]), atol=1e-3, rtol=0)


def test_two_views_of_a_box_before_a_wall() -> None:
    patches = [Patch(6.0), Patch(4.0, half=0.8)]
    cameras = row_of_cameras(2, sizes=((160, 120),), spacing=0.4)
    scene, photos, truth = build_scene(patches, cameras, 5.0)
    dense = densify(scene, photos)
    errors = relative_errors(dense, truth)
    assert measured_share(dense) > 0.55
    assert errors.median() < 0.005
    assert (errors < 0.05).float().mean() > 0.97
    kept = dense.measured
    assert kept is not None
    near = torch.stack(truth) < 5
    assert (kept & near).sum() > 0.6 * near.sum()


def test_a_wall_without_texture_claims_nothing_and_keeps_the_guess() -> None:
    wall = [Patch(4.0, texture=blank)]
    scene, photos, _ = build_scene(wall, row_of_cameras(3), 5.0)
    noise = np.random.default_rng(0)
    noisy = [
        np.clip(photo + noise.normal(0, 1, photo.shape), 0, 255).astype(np.uint8)
        for photo in photos
    ]
    dense = densify(scene, noisy)
    assert measured_share(dense) < 0.01
    assert dense.depth is not None
    assert (dense.depth - 5).abs().median() < 0.05


@pytest.mark.parametrize("spacing", [0.0, 1e-4])
def test_a_pure_rotation_or_the_same_photo_twice_measures_nothing(spacing: float) -> None:
    scene, photos, _ = build_scene([Patch(4.0)], row_of_cameras(3, spacing=spacing), 5.0)
    dense = densify(scene, photos)
    assert measured_share(dense) == 0
    assert dense.depth is not None
    torch.testing.assert_close(dense.depth, torch.full_like(dense.depth, 5.0))


def test_photos_of_different_sizes_share_one_canvas() -> None:
    cameras = row_of_cameras(3, sizes=((120, 90), (80, 128)))
    scene, photos, truth = build_scene([Patch(4.0)], cameras, 5.0)
    dense = densify(scene, photos, max_pixels=8000)
    assert [place.original_size for place in dense.placements] == [(120, 90), (80, 128), (120, 90)]
    assert dense.measured is not None
    assert not dense.measured[~dense.mask].any()
    assert (dense.colors[~dense.mask] == 255).all()
    assert measured_share(dense) > 0.55
    assert relative_errors(dense, truth).quantile(0.95) < 0.03


def test_a_lens_with_distortion_is_seen_through() -> None:
    cameras = row_of_cameras(3, radial=-0.15)
    scene, photos, truth = build_scene([Patch(4.0)], cameras, 5.0)
    dense = densify(scene, photos)
    assert measured_share(dense) > 0.8
    assert relative_errors(dense, truth).median() < 0.003
    straight = replace(scene, cameras=replace(cameras, radial=None))
    wrong = relative_errors(densify(straight, photos), truth)
    assert len(wrong) == 0 or wrong.median() > 0.004


def test_confidence_puts_measured_pixels_first_and_guesses_in_the_networks_order() -> None:
    scene, photos, _ = build_scene([Patch(4.0)], row_of_cameras(3), 5.0)
    dense = densify(scene, photos)
    assert dense.confidence is not None
    assert dense.measured is not None
    assert dense.confidence[dense.measured].min() >= 2
    guesses = dense.confidence[~dense.measured & dense.mask]
    assert guesses.min() >= 1
    assert guesses.max() <= 2
    assert (dense.confidence[2] > dense.confidence[0])[~dense.measured[[0, 2]].any(0)].all()


def test_measured_points_set_the_range_when_the_guess_is_far_off() -> None:
    cameras = row_of_cameras(3)
    scene, photos, truth = build_scene([Patch(4.0)], cameras, 60.0)
    scene = replace(scene, sparse=sparse_points(cameras, truth))
    dense = densify(scene, photos)
    assert measured_share(dense) > 0.8
    assert relative_errors(dense, truth).median() < 0.005


def test_the_same_photos_give_the_same_depth() -> None:
    scene, photos, _ = build_scene([Patch(4.0)], row_of_cameras(2), 5.0)
    first, second = (densify(scene, photos, max_pixels=4000) for _ in range(2))
    assert first.depth is not None
    assert second.depth is not None
    assert torch.equal(first.depth, second.depth)


def test_one_photo_alone_keeps_its_guess() -> None:
    scene, photos, _ = build_scene([Patch(4.0)], row_of_cameras(1), 5.0)
    dense = densify(scene, photos)
    assert measured_share(dense) == 0
    assert dense.depth is not None
    torch.testing.assert_close(dense.depth, torch.full_like(dense.depth, 5.0))


def test_refusals_say_what_is_wrong() -> None:
    scene, photos, _ = build_scene([Patch(4.0)], row_of_cameras(2), 5.0)
    with pytest.raises(InputError, match="got 1 photo for a scene of 2 views"):
        densify(scene, photos[:1])
    with pytest.raises(InputError, match="give the photos that were reconstructed"):
        densify(scene, [photo[:50] for photo in photos])
    with pytest.raises(ConfigError, match="num_sources"):
        SweepOptions(num_sources=0)
