"""Refined tracks are used unless they hold fewer photos, and the record says what moved."""

from collections.abc import Callable
from typing import Any

import pycolmap
import pytest

from glance3d.refinement.mapping.bundle_adjustment import adjust_until_converged
from glance3d.refinement.mapping.refined_tracks import with_refined_tracks
from tests.refinement.tracks.drawn_tracks import MAX_ERROR, room_with_noise
from tests.refinement.tracks.test_refine_tracks import IMAGE_IDS, model_of, originals_of


def adjust(model: pycolmap.Reconstruction) -> None:
    adjust_until_converged(model, max_error=MAX_ERROR, min_angle=0.5, constant_cameras=[1])


def refine_tracks_of(
    model: pycolmap.Reconstruction, adjust: Callable[[Any], None]
) -> tuple[Any, dict[str, Any]]:
    originals = originals_of(room_with_noise())
    return with_refined_tracks(
        model, IMAGE_IDS, originals, adjust, max_error=MAX_ERROR, max_image_size=1600
    )


@pytest.fixture
def adjusted() -> pycolmap.Reconstruction:
    model = model_of(room_with_noise())
    adjust(model)
    return model


def test_they_are_used_and_recorded(adjusted: pycolmap.Reconstruction) -> None:
    before = adjusted.compute_mean_reprojection_error()
    refined, record = refine_tracks_of(adjusted, adjust)
    assert refined is not adjusted
    assert adjusted.compute_mean_reprojection_error() == before
    assert refined.compute_mean_reprojection_error() < 0.5 * before
    assert record["used"]
    assert record["error_before_px"] == pytest.approx(before, abs=1e-3)
    assert record["error_after_px"] < 0.5 * record["error_before_px"]
    assert 0.5 * record["num_observations"] < record["num_moved"]


def test_they_are_not_used_where_they_lose_a_photo(adjusted: pycolmap.Reconstruction) -> None:
    def lose_one(model: pycolmap.Reconstruction) -> None:
        model.deregister_frame(model.image(IMAGE_IDS[2]).frame_id)

    kept, record = refine_tracks_of(adjusted, lose_one)
    assert kept is adjusted
    assert not record["used"]
