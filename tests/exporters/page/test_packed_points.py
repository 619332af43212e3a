"""Points as bytes: unpacked by the description alone, they are the scene's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from glance3d.exporters.page.packed_points import (
    BYTES_OF_POINT,
    POINTS_IN_CHUNK,
    PackedPoints,
    confidence_bytes,
    display_bounds,
    pack_depth_points,
    pack_sparse_points,
)
from glance3d.exporters.points.point_cloud import confident_pixels
from glance3d.exporters.presentation import confidence_percentiles, upright_from_world
from tests.exporters.analytic import with_measured_points

MANY = 10**9


def unpacked(packed: PackedPoints) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, colours and confidence, as the page's program reads them."""
    positions, shades = [], []
    for chunk in packed.chunks:
        count = len(chunk) // BYTES_OF_POINT
        positions.append(np.frombuffer(chunk, "<u2", 3 * count).reshape(-1, 3))
        shades.append(np.frombuffer(chunk, np.uint8, offset=6 * count).reshape(-1, 4))
    shade = np.concatenate(shades)
    share = np.concatenate(positions).astype(float) / 65535
    return np.array(packed.lowest) + share * np.array(packed.extent), shade[:, :3], shade[:, 3]


def packed_scene(scene, max_points=MANY):
    percentiles = confidence_percentiles(scene)
    return pack_depth_points(scene, percentiles, upright_from_world(scene), max_points)


def with_confidence(scene, measured=None):
    generator = torch.Generator().manual_seed(5)
    confidence = torch.rand(scene.mask.shape, generator=generator)
    return replace(scene, confidence=confidence, measured=measured)


def test_positions_and_colours_come_back_within_half_a_step(scene):
    packed = packed_scene(scene)
    points, colors, _ = unpacked(packed)
    truth = (scene.points_world[scene.mask] @ upright_from_world(scene).T).numpy()
    assert packed.num_shown == packed.num_points == len(truth)
    half_step = np.array(packed.extent) / 65535 / 2 + 1e-6
    distance, nearest = cKDTree(truth / half_step).query(points / half_step, p=np.inf)
    assert distance.max() <= 1.01
    assert (colors == scene.colors[scene.mask].numpy()[nearest]).all(-1).mean() > 0.99


@pytest.mark.parametrize("percentile", [0.0, 25.0, 50.0, 90.0])
def test_a_percentile_draws_what_an_exporter_keeps(scene, percentile):
    scene = with_confidence(scene)
    _, _, confidence = unpacked(packed_scene(scene))
    drawn = (confidence > 2.55 * percentile).sum()
    kept = int(confident_pixels(scene, percentile).sum())
    assert drawn >= kept
    assert drawn - kept <= 0.005 * len(confidence)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
def test_measured_points_are_told_from_guessed_ones(scene, share):
    generator = torch.Generator().manual_seed(6)
    measured = torch.rand(scene.mask.shape, generator=generator) < share
    scene = with_confidence(scene, measured)
    packed = packed_scene(scene)
    _, _, confidence = unpacked(packed)
    assert (confidence >= packed.measured_from).sum() == int((measured & scene.mask).sum())


def test_all_measured_and_none_measured(scene):
    everything = packed_scene(with_confidence(scene, torch.ones_like(scene.mask)))
    assert (unpacked(everything)[2] >= everything.measured_from).all()
    assert packed_scene(with_confidence(scene, torch.zeros_like(scene.mask))).measured_from is None


def test_a_budget_keeps_a_fair_sample_and_says_so(scene):
    packed = packed_scene(scene, 2000)
    points, _, _ = unpacked(packed)
    everything, _, _ = unpacked(packed_scene(scene))
    assert packed.num_shown == len(points) == 2000
    assert packed.num_points == len(everything)
    assert points.mean(0) == pytest.approx(everything.mean(0), abs=0.1 * everything.std())
    assert packed.spacing > packed_scene(scene).spacing


def test_chunks_are_full_but_the_last(scene):
    many = replace(
        scene,
        **{
            name: getattr(scene, name).repeat_interleave(2, 1).repeat_interleave(2, 2)
            for name in ("colors", "mask", "depth", "points_world")
        },
        confidence=None,
        placements=tuple(
            replace(
                placement,
                processed_size=(224, 224),
                scale=tuple(2 * scale for scale in placement.scale),
                offset=tuple(2 * offset for offset in placement.offset),
            )
            for placement in scene.placements
        ),
    )
    packed = packed_scene(many)
    sizes = [len(chunk) // BYTES_OF_POINT for chunk in packed.chunks]
    assert len(sizes) > 1
    assert set(sizes[:-1]) == {POINTS_IN_CHUNK}
    assert sum(sizes) == packed.num_shown


def test_far_sky_does_not_cost_the_rest_its_precision():
    near = torch.rand(10_000, 3)
    sky = torch.full((50, 3), 1e6)
    lowest, highest = display_bounds(torch.cat([near, sky]))
    assert float((highest - lowest).max()) < 4
    lowest, highest = display_bounds(near)
    assert torch.equal(lowest, near.amin(0))
    assert torch.equal(highest, near.amax(0))


def test_flat_clouds_have_a_box(scene):
    flat = scene.points_world.clone()
    flat[..., 2] = 3.0
    points, _, _ = unpacked(packed_scene(replace(scene, points_world=flat)))
    assert np.isfinite(points).all()


def test_confidence_above_any_limit_stays_above_it():
    percentiles = torch.rand(100_000, generator=torch.Generator().manual_seed(0)) * 100
    percentiles[:100] = torch.arange(100.0) + 1e-5
    levels = confidence_bytes(percentiles).double()
    for limit in range(100):
        assert bool((levels[percentiles > limit] > 2.55 * limit).all())


def test_measured_points_are_surer_the_more_photos_see_them(scene):
    sparse = with_measured_points(scene).sparse
    packed = pack_sparse_points(sparse, torch.eye(3), MANY)
    points, _, confidence = unpacked(packed)
    assert len(points) == len(sparse)
    nearest = torch.cdist(torch.from_numpy(points), sparse.points_world.double()).argmin(1)
    num_views = sparse.num_observations_of_each()[nearest].numpy()
    assert confidence[num_views == num_views.max()].min() > confidence[num_views == 2].max()
