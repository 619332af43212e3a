"""A logo in every photo, and somebody who walks: refined with masks as if they were not there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from glance3d.densification import densify
from glance3d.exporters import load_scene, write_scene_folder
from glance3d.images import Originals, content_of
from glance3d.refinement import RefineOptions, refine
from glance3d.refinement.matching.matched_photos import match_photos
from glance3d.types import PhotoMask, Reconstruction
from tests.refinement.rendered import SIZE, Room, arc, build_scene
from tests.refinement.test_refine import lost, worst_error_deg

LOGO = (20, 20, 210, 150)  # x0, y0, x1, y1
WALKER = 90
FEW = RefineOptions(max_features=600)


def walker_box(view: int) -> tuple[int, int, int, int]:
    """Where somebody stands in each photo: not where one place of the room would be seen."""
    x = 220 + 18 * view
    return x, 150, x + WALKER, 290


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    """The room's photos with a logo at one place of all of them, and a walker."""
    folder = tmp_path_factory.mktemp("spoiled")
    truth = build_scene([Room()] * 5, arc(5), folder)
    random = np.random.default_rng(0)
    x0, y0, x1, y1 = LOGO
    logo = Image.fromarray(random.integers(0, 255, (26, 38, 3), np.uint8)).resize(
        (x1 - x0, y1 - y0), Image.Resampling.BICUBIC
    )
    person = Image.fromarray(random.integers(0, 255, (28, 18, 3), np.uint8)).resize(
        (WALKER, 140), Image.Resampling.BICUBIC
    )
    for view, source in enumerate(truth.sources):
        photo = Image.open(source)
        photo.paste(logo, (x0, y0))
        photo.paste(person, walker_box(view)[:2])
        photo.save(source)
    return replace(truth, contents=tuple(content_of(Path(source)) for source in truth.sources))


@pytest.fixture(scope="module")
def masks(spoiled: Reconstruction) -> tuple[PhotoMask, ...]:
    masks = []
    for view in range(spoiled.num_views):
        picture = Image.new("1", SIZE, 1)
        for x0, y0, x1, y1 in (LOGO, walker_box(view)):
            ImageDraw.Draw(picture).rectangle((x0, y0, x1 - 1, y1 - 1), fill=0)
        masks.append(PhotoMask.from_array(np.asarray(picture)))
    return tuple(masks)


def scene_of(truth: Reconstruction, masks: tuple[PhotoMask, ...] = ()) -> Reconstruction:
    return replace(lost(truth), masks=masks).masked()


@pytest.fixture(scope="module")
def with_masks(spoiled: Reconstruction, masks: tuple[PhotoMask, ...]) -> Reconstruction:
    return refine(scene_of(spoiled, masks), options=FEW, densify=False)


def num_matches_that_stand_still(scene: Reconstruction, folder: Path) -> int:
    """Matches of one pixel in two photos: what a logo gives, and hardly anything else."""
    graph = match_photos(scene, Originals(scene), folder, FEW, None).view_graph
    moved = [np.linalg.norm(p.pixels_first - p.pixels_second, axis=-1) for p in graph.pairs]
    return int(sum((one < 0.5).sum() for one in moved))


def test_masked_features_are_not_matched(
    spoiled: Reconstruction, masks: tuple[PhotoMask, ...], tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("without", "with")]
    for folder in folders:
        folder.mkdir()
    without = num_matches_that_stand_still(scene_of(spoiled), folders[0])
    assert without > 300, "the logo misleads nobody: the test shows nothing"
    assert num_matches_that_stand_still(scene_of(spoiled, masks), folders[1]) < 10


def test_with_masks_the_room_alone_is_seen(
    spoiled: Reconstruction, with_masks: Reconstruction
) -> None:
    assert worst_error_deg(with_masks.cameras, spoiled) < 0.5
    sparse = with_masks.sparse
    assert sparse is not None
    assert len(sparse) > 100
    for view, mask in enumerate(with_masks.masks):
        own = sparse.view_indices == view
        assert own.any()
        assert mask is not None
        assert mask.keeps(sparse.pixels_original[own]).all()
    assert not with_masks.mask[with_masks.depth == 0].any()


def test_densified_depth_is_right_beside_what_is_masked_and_nowhere_on_it(
    spoiled: Reconstruction, with_masks: Reconstruction, masks: tuple[PhotoMask, ...]
) -> None:
    true_cameras = replace(spoiled, masks=masks).masked()
    dense = densify(true_cameras, Originals(spoiled), max_pixels=120 * 90)
    assert dense.depth is not None
    assert dense.measured is not None
    for view, mask in enumerate(masks):
        assert (dense.depth[view][~mask.on_grid(dense.placements[view])] == 0).all()
    assert dense.measured.float().sum() > 0.3 * dense.mask.sum()
    true = torch.nn.functional.interpolate(
        spoiled.depth[:, None], dense.depth.shape[1:], mode="nearest"
    )[:, 0]
    error = ((dense.depth - true).abs() / true)[dense.measured]
    assert float(error.quantile(0.9)) < 0.05


def test_a_saved_scene_brings_its_masks_along(
    spoiled: Reconstruction, masks: tuple[PhotoMask, ...], tmp_path: Path
) -> None:
    write_scene_folder(scene_of(spoiled, masks), tmp_path, formats=["npz"])
    again = refine(load_scene(tmp_path), options=FEW, densify=False)
    assert worst_error_deg(again.cameras, spoiled) < 0.5
