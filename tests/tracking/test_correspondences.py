"""Corners followed there and back: on photos that are shifted, so that truth is known."""

import pytest
import torch

from glance3d.datasets import SyntheticConfig, SyntheticScenes
from glance3d.errors import InputError
from glance3d.models import VGGT, load_model
from glance3d.tracking import Correspondences, estimate_correspondences
from glance3d.types import ImageBatch
from tests.tracking.conftest import as_batch

SHIFTS = torch.tensor([[0.0, 0.0], [12.0, 8.0], [24.0, 0.0]])  # pixels, x and y


@pytest.fixture(scope="module")
def small() -> VGGT:
    return load_model("glance-small", device="cpu")


@pytest.fixture(scope="module")
def shifted() -> ImageBatch:
    """A rendered picture, cut out three times."""
    config = SyntheticConfig(
        images_per_batch=2,
        num_views=(2, 2),
        max_pixels=192**2,
        aspect_ratio=(1.0, 1.0),
        num_textures=24,
        texture_size=128,
    )
    picture = SyntheticScenes(config, split="test").batch(1).images[0, 0]
    cut = [picture[:, 8 - int(y) : 136 - int(y), 40 - int(x) : 168 - int(x)] for x, y in SHIFTS]
    return as_batch(torch.stack(cut), scale=0.25)


@pytest.fixture(scope="module")
def correspondences(small: VGGT, shifted: ImageBatch) -> Correspondences:
    return estimate_correspondences(small, shifted, queries_per_view=64)


def test_they_are_where_the_shift_says(correspondences: Correspondences):
    """In original pixels, four to one of the network's grid."""
    scene_points = correspondences.pixels_original - 4 * SHIFTS[correspondences.view_indices]
    sums = torch.zeros(correspondences.num_tracks, 2).index_add_(
        0, correspondences.track_indices, scene_points
    )
    means = sums / torch.bincount(correspondences.track_indices)[:, None]
    errors = (scene_points - means[correspondences.track_indices]).norm(dim=-1)
    assert correspondences.num_tracks > 60
    assert errors.median() < 2.0  # half a pixel of the network's grid
    assert (errors < 8.0).float().mean() > 0.85


def test_tracks_are_well_formed(correspondences: Correspondences):
    pairs = correspondences.track_indices * 3 + correspondences.view_indices
    assert torch.equal(pairs, pairs.unique())  # sorted, and no view twice in a track
    assert torch.bincount(correspondences.track_indices).min() >= 2
    assert correspondences.track_indices.max() == correspondences.num_tracks - 1
    assert ((correspondences.pixels_original >= 0) & (correspondences.pixels_original <= 512)).all()
    assert (correspondences.confidence == 1).sum() >= correspondences.num_tracks
    assert correspondences.confidence.min() >= 0.85


def test_the_same_every_time(correspondences: Correspondences, small: VGGT, shifted: ImageBatch):
    again = estimate_correspondences(small, shifted, queries_per_view=64)
    assert torch.equal(correspondences.pixels_original, again.pixels_original)
    assert torch.equal(correspondences.track_indices, again.track_indices)


def test_a_stricter_return_keeps_fewer(
    correspondences: Correspondences, small: VGGT, shifted: ImageBatch
):
    strict = estimate_correspondences(small, shifted, queries_per_view=64, max_return_error=0.3)
    assert 0 < len(strict) < len(correspondences)


def test_only_asked_views_give_queries(small: VGGT, shifted: ImageBatch):
    some = estimate_correspondences(small, shifted, queries_per_view=16, query_views=[2])
    own = some.confidence == 1
    assert set(some.view_indices[own].tolist()) == {2}
    assert 0 < some.num_tracks <= 16


def test_the_tracker_goes_there_and_back(network: VGGT, batch: ImageBatch):
    """An untrained tracker returns almost anywhere: all is kept, some, or nothing by the limit."""
    counts = [
        len(
            estimate_correspondences(
                network,
                batch,
                queries_per_view=4,
                query_views=[3],
                by="network",
                min_visibility=0.0,
                max_return_error=limit,
            )
        )
        for limit in (1e4, 0.0)
    ]
    assert counts[0] > 4
    assert counts[1] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query_views": [4]}, "no view 4"),
        ({"queries_per_view": 0}, "queries_per_view"),
        ({"by": "geometry"}, "geometry tracks by the depth"),
        ({"min_confidence": 1.5}, "min_confidence"),
    ],
)
def test_bad_options(network: VGGT, batch: ImageBatch, options: dict, message: str):
    with pytest.raises(InputError, match=message):
        estimate_correspondences(network, batch, **options)
