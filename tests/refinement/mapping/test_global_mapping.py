"""All poses of a drawn scene from all its pairs at once, and when they are believed."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.refinement.mapping import global_mapping
from glance3d.refinement.mapping.attempt_results import Attempt, AttemptResult, CameraSetup
from glance3d.refinement.mapping.global_mapping import map_globally, solve_all_pairs
from glance3d.refinement.mapping.mapper import NORMAL, StartingPoses
from glance3d.refinement.mapping.match_inliers import MatchInliers
from glance3d.refinement.matching.initial_cameras import CameraAssignment
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.pycolmap_interface import quiet
from tests.refinement.mapping.synthetic import relative_rotations, with_wrong_matches

NUM_VIEWS = 6


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[pycolmap.Reconstruction, Path]:
    """Views, and a database of their matches, a tenth of them wrong."""
    path = tmp_path_factory.mktemp("synthetic") / "database.db"
    return with_wrong_matches(NUM_VIEWS, path), path


def solved(database: Path, folder: Path) -> pycolmap.Reconstruction:
    """Of a copy: the solution is written beside it."""
    folder.mkdir()
    with quiet():
        model = solve_all_pairs(Path(shutil.copy(database, folder / "copy.db")), 0, False)
    assert model is not None
    return model


def test_one_solution_for_all_pairs_finds_all_cameras(
    truth: tuple[pycolmap.Reconstruction, Path], tmp_path: Path
) -> None:
    true, database = truth
    model = solved(database, tmp_path / "once")
    assert model.num_reg_images() == NUM_VIEWS
    np.testing.assert_allclose(relative_rotations(model), relative_rotations(true), atol=0.01)
    again = solved(database, tmp_path / "twice")
    np.testing.assert_array_equal(relative_rotations(again), relative_rotations(model))


def test_nothing_comes_of_photos_without_matches(tmp_path: Path) -> None:
    with pycolmap.Database.open(tmp_path / "empty.db"), quiet():
        assert solve_all_pairs(tmp_path / "empty.db", 0, False) is None


@pytest.fixture
def mapped(
    truth: tuple[pycolmap.Reconstruction, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Maps globally from an attempt; the mapping that follows explains what it is told to."""
    true, database = truth
    setup = CameraSetup(
        Path(shutil.copy(database, tmp_path / "copy.db")), CameraAssignment((), (), ())
    )
    photos = Mock(spec=MatchedPhotos, image_ids=tuple(sorted(true.images)), options=Mock(seed=0))
    monkeypatch.setattr(global_mapping, "attempt_from", lambda *given: Attempt("", setup, NORMAL))
    monkeypatch.setattr(global_mapping, "describe_attempt", lambda *given: {"start": "all"})
    starts: list[set[int]] = []

    def run(best: Attempt, before: float, after: float) -> tuple[AttemptResult, Any, Any]:
        def attempted(_: Any, attempt: Attempt) -> AttemptResult:
            assert attempt.start is not None
            starts.append(set(attempt.start.poses))
            return AttemptResult(attempt, true, MatchInliers(after, 1000.0))

        monkeypatch.setattr(global_mapping, "run_attempt", attempted)
        result = AttemptResult(best, true, MatchInliers(before, 1000.0))
        with quiet():
            found, records = map_globally(photos, result)
        return found, records, starts

    return run, setup


def test_it_is_taken_where_it_explains_clearly_more(mapped: Any) -> None:
    run, setup = mapped
    best = Attempt("from pairs", setup, NORMAL)
    found, records, starts = run(best, 500.0, 900.0)
    assert found.inliers.explained == 900
    assert [earlier.attempt.name for earlier in found.earlier] == ["from pairs"]
    assert records == ({"start": "all"},)
    assert starts == [set(range(NUM_VIEWS))]


def test_it_is_kept_beside_an_attempt_that_explains_as_much(mapped: Any) -> None:
    run, setup = mapped
    found, records, _ = run(Attempt("from pairs", setup, NORMAL), 890.0, 900.0)
    assert found.attempt.name == "from pairs"
    assert len(found.earlier) == len(records) == 1


def test_poses_that_must_not_move_are_left_alone(mapped: Any) -> None:
    run, setup = mapped
    fixed = Attempt("known poses", setup, NORMAL, StartingPoses({0: torch.eye(3, 4)}, True, (2.0,)))
    found, records, starts = run(fixed, 500.0, 900.0)
    assert found.attempt is fixed
    assert not records
    assert not starts
    assert replace(fixed, start=None).fixed_poses == {}
