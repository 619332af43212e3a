"""Which photos are matched: all of few, and of many those that are likely to overlap."""

import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch

from glance3d.errors import WeightsError
from glance3d.images import Originals
from glance3d.models import Network, build_model
from glance3d.models.config import tiny
from glance3d.refinement import RefineOptions
from glance3d.refinement.matching import photo_pairs
from glance3d.refinement.matching.database import open_database
from glance3d.refinement.matching.matched_photos import match_photos
from glance3d.refinement.matching.photo_pairs import choose_photo_pairs, overlap_by_poses
from glance3d.refinement.pycolmap_interface import quiet
from glance3d.types import Reconstruction
from tests.refinement.rendered import Room, build_scene, pose

ORDER = (3, 0, 5, 1, 4, 2)  # which place of the circle each photo is of


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    """Six photos out of the middle of a room, in six directions, in any order."""
    turns = [math.tau * place / len(ORDER) for place in ORDER]
    poses = [pose((0.0, 0.0, 0.0), (math.sin(turn), 0.0, math.cos(turn))) for turn in turns]
    return build_scene([Room()] * len(ORDER), poses, tmp_path_factory.mktemp("circle"))


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_pairs, "MAX_EXHAUSTIVE", 4)
    monkeypatch.setattr(photo_pairs, "_ALIKE", 2)
    monkeypatch.setattr(photo_pairs, "_NEIGHBOURS", 0)


def steps(pairs: tuple[tuple[int, int], ...]) -> set[int]:
    between = [abs(ORDER[first] - ORDER[second]) for first, second in pairs]
    return {min(step, len(ORDER) - step) for step in between}


def no_network() -> Network:
    raise WeightsError("the weights are gone")


def test_all_pairs_of_few_photos(scene: Reconstruction) -> None:
    chosen = choose_photo_pairs(scene, Originals(scene), no_network)
    assert chosen.pairs is None
    assert chosen.describe() == {"by": "all", "num_pairs": 15, "num_possible": 15}
    assert chosen.warnings() == []


@pytest.mark.parametrize("with_depth", [True, False])
def test_poses_say_who_looks_where(
    scene: Reconstruction, few_are_many: None, with_depth: bool
) -> None:
    seen = scene if with_depth else replace(scene, depth=None)
    overlap = overlap_by_poses(seen)
    assert torch.equal(overlap, overlap.T)
    assert overlap.diagonal().min() > 0.9
    chosen = choose_photo_pairs(scene, Originals(scene), None)
    assert (chosen.by, steps(chosen.pairs or ())) == ("poses", {1})
    assert len(chosen.pairs or ()) == 6


def test_without_its_weights_poses_say_it_and_the_report_says_why(
    scene: Reconstruction, few_are_many: None
) -> None:
    chosen = choose_photo_pairs(scene, Originals(scene), no_network)
    assert chosen.describe()["reason"] == "the weights are gone"
    assert "the weights are gone" in chosen.warnings()[0]


def test_a_network_says_which_look_alike_and_these_alone_are_matched(
    scene: Reconstruction, few_are_many: None, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = build_model(tiny()).eval().requires_grad_(False)
    with quiet():
        matched = match_photos(
            scene,
            Originals(scene),
            tmp_path,
            RefineOptions(max_features=200),
            network=lambda: network,
        )
    chosen = matched.photo_pairs
    assert chosen is not None
    assert (chosen.by, chosen.model) == ("likeness", "tiny")
    assert chosen.pairs is not None
    assert 5 <= len(chosen.pairs) < 15
    assert f"{len(chosen.pairs)} of 15 pairs" in chosen.warnings()[0]
    ids = matched.image_ids
    with open_database(matched.database) as content:
        tried = {
            (first, second)
            for first, second in combinations(range(6), 2)
            if content.exists_matches(ids[first], ids[second])
        }
    assert tried == set(chosen.pairs)
