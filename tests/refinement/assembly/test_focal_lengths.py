"""Focal lengths of one camera must agree, and one that no file states must be a lens's."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from glance3d.refinement.assembly.focal_lengths import focal_doubts
from glance3d.refinement.options import RefineOptions
from glance3d.reporting.warnings import focal_warnings
from glance3d.types import PhotoMetadata, Reconstruction
from glance3d.types.images import FILM_DIAGONAL_MM
from tests.refinement.rendered import FOCAL, SIZE, Room, arc, build_scene

BY_ADJUSTMENT = ("bundle adjustment",) * 4
OPTIONS = RefineOptions()


@pytest.fixture(scope="module")
def scene() -> Reconstruction:
    return build_scene([Room()] * 4, arc(4))


def with_focals(scene: Reconstruction, factors: Sequence[float]) -> Reconstruction:
    intrinsics = scene.cameras.intrinsics.clone()
    intrinsics[:, [0, 1], [0, 1]] *= torch.tensor(factors)[:, None]
    return replace(scene, cameras=replace(scene.cameras, intrinsics=intrinsics))


def with_facts(scene: Reconstruction, focals_px: Sequence[float], camera: str) -> Reconstruction:
    """As if the photos' files stated these focal lengths."""
    diagonal = float(torch.tensor(SIZE).float().norm())
    metadata = [
        PhotoMetadata(camera, focal_35mm=f * FILM_DIAGONAL_MM / diagonal) for f in focals_px
    ]
    return replace(scene, metadata=tuple(metadata))


@pytest.mark.parametrize(
    ("factors", "doubted"),
    [
        ((1.0, 1.0, 1.0, 1.0), []),
        ((1.0, 1.01, 0.99, 1.02), []),
        ((1.0, 1.0, 1.2, 1.0), [2]),
        ((1.0, 1.2, 1.4, 1.6), [0, 1, 2, 3]),
        ((1.0, 1.0, 2.0, 2.0), [0, 1, 2, 3]),
    ],
)
@pytest.mark.parametrize("camera", ["auto", "per-image"])
def test_one_camera_whose_focal_lengths_drift_is_doubted(
    scene: Reconstruction, factors: tuple[float, ...], doubted: list[int], camera: str
) -> None:
    doubts = focal_doubts(with_focals(scene, factors), BY_ADJUSTMENT, RefineOptions(camera=camera))
    assert [view for view, doubt in enumerate(doubts) if doubt] == doubted
    for view in doubted:
        assert f"its focal length is {factors[view] * FOCAL:.0f} px" in str(doubts[view])


def test_other_cameras_and_guesses_are_not_compared(scene: Reconstruction) -> None:
    zoomed = with_focals(scene, (1.0, 1.0, 2.0, 2.0))
    stated = with_facts(zoomed, [FOCAL, FOCAL, 2 * FOCAL, 2 * FOCAL], "Zoom")
    assert focal_doubts(stated, BY_ADJUSTMENT, OPTIONS) == [None] * 4
    guesses = ("bundle adjustment", "bundle adjustment", "similarity", "known")
    assert focal_doubts(zoomed, guesses, OPTIONS) == [None] * 4


@pytest.mark.parametrize("factor", [0.15, 30.0])
def test_a_focal_length_that_ran_away_is_doubted_unless_it_is_stated(
    scene: Reconstruction, factor: float
) -> None:
    away = with_focals(scene, (factor,) * 4)
    doubts = focal_doubts(away, BY_ADJUSTMENT, OPTIONS)
    assert all("which no file states" in str(doubt) for doubt in doubts)
    stated = with_facts(away, [factor * FOCAL] * 4, "Telescope")
    assert focal_doubts(stated, BY_ADJUSTMENT, OPTIONS) == [None] * 4


def test_contradicted_focal_lengths_are_named_photo_by_photo(scene: Reconstruction) -> None:
    stated = with_facts(scene, [FOCAL, 1.05 * FOCAL, 1.2 * FOCAL, FOCAL / 2], "Camera")
    (warning,) = focal_warnings(stated, [FOCAL] * 4, None, 1.1)
    assert "of 2 of 4 photos are not what is stated" in warning
    assert f"view02.png: {1.2 * FOCAL:.0f} pixels by its file, {FOCAL:.0f} found" in warning
    assert "view03.png" in warning
    assert focal_warnings(stated, [FOCAL, None, None, FOCAL / 2], None, 1.1) == []
    known = torch.tensor([FOCAL, torch.nan, FOCAL, FOCAL])
    assert focal_warnings(stated, [FOCAL] * 4, known, 1.1) == []
