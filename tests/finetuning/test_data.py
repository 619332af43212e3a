"""Batches from photo sets: the geometry of what is drawn, and what is held back."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.datasets import SyntheticConfig
from glance3d.errors import ImageError, InputError
from glance3d.finetuning.data.overlap import draw_group, view_overlap
from glance3d.finetuning.data.rehearsal import RehearsingSampler, is_rehearsal, rehearsed_scenes
from glance3d.finetuning.data.split import SetPart, split_sets
from glance3d.finetuning.data.stream import PhotoSetSampler, PhotoSetScenes, StreamOptions
from glance3d.finetuning.data.views import PhotoSetViews, grid_size
from glance3d.geometry.cameras import project_points, unproject_depth
from glance3d.photo_sets import PhotoSet, load_photo_set
from glance3d.photo_sets.conventions import Conventions
from glance3d.photo_sets.table import read_as
from tests.photo_sets.drawn import drawn_room, write_cameras_json, write_colmap

OPTIONS = StreamOptions((2, 3), images_per_batch=6, max_pixels=64 * 48, num_queries=24)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    return load_photo_set(write_cameras_json(drawn_room(), tmp_path_factory.mktemp("room")))


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    return load_photo_set(write_colmap(drawn_room(), tmp_path_factory.mktemp("colmap")))


def test_a_share_of_the_batches_is_drawn_and_of_the_same_shape(room: PhotoSet) -> None:
    assert [n for n in range(9) if is_rehearsal(n, 0.25)] == [3, 7]
    assert not any(is_rehearsal(n, 0.0) for n in range(9))
    general = SyntheticConfig(4, (2, 2), 16 * 16, (1,), 16, (1.0, 1.0), (25.0, 90.0), 8, 16, 64)
    photos = PhotoSetSampler((SetPart.whole(room),), OPTIONS)
    sampler = RehearsingSampler(photos, rehearsed_scenes(general, OPTIONS), 0.5, 7)
    batch = pickle.loads(pickle.dumps(sampler))()
    assert torch.equal(batch(0).images, photos()(0).images)
    drawn = batch(1)
    assert len(drawn.images) == len(batch(0).images) == OPTIONS.num_scenes
    assert drawn.images.shape[-1] == 16
    assert drawn.visibility is not None
    assert drawn.visibility.shape[-1] == OPTIONS.num_queries
    assert torch.equal(drawn.images, sampler()(1).images)


def test_a_batch_has_the_geometry_of_its_photos(room: PhotoSet) -> None:
    """Depth of the first view, carried into the others, is where they have it too."""
    sample = PhotoSetScenes([SetPart.whole(room)], OPTIONS).batch(0)
    assert sample.images.shape[-2:] == (48, 64)
    assert sample.images.shape[0] == 2
    assert 2 <= sample.images.shape[1] <= 3
    world = unproject_depth(
        sample.depth[:, 0], sample.cam_from_world[:, 0], sample.intrinsics[:, 0]
    )
    pixels, far = project_points(
        world.flatten(1, 2)[:, None].expand(-1, sample.images.shape[1], -1, -1),
        sample.cam_from_world,
        sample.intrinsics,
    )
    known = sample.valid[:, 0].flatten(1)[:, None] & (far > 0)
    inside = known & ((pixels >= 0) & (pixels < torch.tensor([64, 48]))).all(-1)
    column, row = torch.where(inside[..., None], pixels, 0.0).long().unbind(-1)
    there = sample.depth.flatten(2).gather(2, row * 64 + column)
    both = inside & (there > 0)
    assert float(both.float().mean()) > 0.2
    assert float((far / there)[both].log().abs().median()) < 0.01


def test_tracks_are_where_the_depth_of_all_views_says(room: PhotoSet) -> None:
    sample = PhotoSetScenes([SetPart.whole(room)], OPTIONS).batch(1)
    assert sample.tracks is not None
    assert sample.visibility is not None
    assert sample.query_points is not None
    torch.testing.assert_close(sample.tracks[:, 0], sample.query_points, rtol=0, atol=1e-3)
    assert bool(sample.visibility[:, 0].all())
    assert 0.2 < float(sample.visibility[:, 1:].float().mean()) <= 1
    inside = ((sample.tracks >= 0) & (sample.tracks < torch.tensor([64, 48]))).all(-1)
    assert not bool((sample.visibility & ~inside).any())


def test_batches_are_functions_of_their_number(room: PhotoSet) -> None:
    sampler = pickle.loads(pickle.dumps(PhotoSetSampler((SetPart.whole(room),), OPTIONS, 5)))
    one, other = sampler(), sampler()
    _ = one(0), one(1)
    assert torch.equal(one(2).images, other(2).images)
    assert not torch.equal(one(2).images[:1, :1], one(3).images[:1, :1])
    held = PhotoSetSampler((SetPart.whole(room),), OPTIONS, 5, "validation")()
    assert held(2).images.shape != one(2).images.shape or not torch.equal(
        held(2).images, one(2).images
    )


def test_points_of_a_model_are_depth_at_the_pixels_that_see_them(points: PhotoSet) -> None:
    room = drawn_room()
    views = PhotoSetViews(points, (96, 128))
    view = views.view(2)
    known = view.depth > 0
    assert 20 < int(known.sum()) < 1000
    true = room.depth[2]
    assert float((view.depth / true)[known].log().abs().max()) < 1e-3
    sample = PhotoSetScenes([_neighbours(points)], OPTIONS).batch(0)
    assert bool(sample.valid.any())
    assert sample.visibility is not None
    assert not bool(sample.visibility.any())  # what is hidden between points is not known


def _neighbours(photos: PhotoSet) -> SetPart:
    """Its photos, taken to overlap."""
    count = len(photos)
    return SetPart(photos, tuple(range(count)), torch.full((count, count), 0.5))


def test_cameras_alone_leave_nothing_valid(room: PhotoSet) -> None:
    options = replace(OPTIONS, cameras_only=True)
    sample = PhotoSetScenes([SetPart.whole(room)], options).batch(0)
    assert not bool(sample.valid.any())
    assert sample.visibility is not None
    assert not bool(sample.visibility.any())


def test_overlap_tells_views_of_one_thing_from_others(room: PhotoSet) -> None:
    overlap = view_overlap(room)
    assert float(overlap.diagonal().max()) == 0
    assert float(overlap.max()) > 0.5
    away = room.cameras.cam_from_world.clone()
    away[3] = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 500]])
    lost = replace(room, cameras=replace(room.cameras, cam_from_world=away))
    assert float(view_overlap(lost)[3].max()) < 0.05
    assert float(view_overlap(lost)[:, 3].max()) < 0.05
    without = replace(room, depth_paths=(None,) * len(room))
    assert set(view_overlap(without).unique().tolist()) <= {0.0, 0.5}


def test_groups_hang_together() -> None:
    overlap = torch.zeros(6, 6)
    for one, other in ((0, 1), (1, 2), (3, 4)):
        overlap[one, other] = overlap[other, one] = 0.4
    rng = np.random.default_rng(0)
    drawn = {tuple(sorted(draw_group(overlap, list(range(6)), 2, rng) or [])) for _ in range(60)}
    assert drawn == {(0, 1), (1, 2), (3, 4)}
    assert sorted(draw_group(overlap, list(range(6)), 3, rng) or []) == [0, 1, 2]
    assert draw_group(overlap, list(range(6)), 4, rng) is None


def test_sets_are_held_back_whole_and_one_alone_by_views(room: PhotoSet, points: PhotoSet) -> None:
    split = split_sets([room, points])
    assert {part.photos.kind for part in (*split.training, *split.validation)} == {
        "cameras.json",
        "colmap",
    }
    assert len(split.training) == len(split.validation) == 1
    assert split.how.startswith("split by scene")
    alone = split_sets([room])
    assert alone.training[0].views == (0, 1, 2, 3)
    assert alone.validation[0].views == (4, 5)
    assert "split by views" in alone.how
    assert "as asked for" in split_sets([room], [points]).how
    with pytest.raises(InputError, match="validation must be on other photos"):
        split_sets([room], [room])


def test_photos_are_cut_around_their_principal_point(tmp_path: Path, room: PhotoSet) -> None:
    """A wide photo on a square grid: what is cut off is what is far from the camera's axis."""
    height, width = grid_size(room, 64 * 48, 16)
    assert (height, width) == (48, 64)
    intrinsics = room.cameras.intrinsics.clone()
    intrinsics[:, 0, 2] += 10
    moved = replace(room, cameras=replace(room.cameras, intrinsics=intrinsics))
    view = PhotoSetViews(moved, (48, 48)).view(0)
    pixels = torch.from_numpy(np.array(Image.open(room.image_paths[0]).convert("RGB")))
    # The photo is 128 x 96 and its axis at 74 from the left: columns 26 to 122 at half the size.
    assert float(view.intrinsics[0, 2]) == pytest.approx(24, abs=0.1)
    assert float(view.intrinsics[0, 0]) == pytest.approx(float(intrinsics[0, 0, 0]) / 2, rel=1e-5)
    expected = pixels[:, 26:122].float().view(48, 2, 48, 2, 3).mean((1, 3))
    assert float((view.pixels.permute(1, 2, 0).float() - expected).abs().mean()) < 6


def test_a_set_is_read_as_its_numbers_are_meant(tmp_path: Path) -> None:
    room = drawn_room()
    height, width = room.depth.shape[1:]
    rays = torch.stack(
        [
            (torch.arange(width) + 0.5 - room.intrinsics[0, 0, 2])[None] / room.intrinsics[0, 0, 0]
            + torch.zeros(height, 1),
            (torch.arange(height) + 0.5 - room.intrinsics[0, 1, 2])[:, None]
            / room.intrinsics[0, 1, 1]
            + torch.zeros(1, width),
        ]
    )
    lengths = (1 + rays.square().sum(0)).sqrt()
    folder = write_cameras_json(room, tmp_path, depth=room.depth * lengths * 2)
    photos = load_photo_set(folder)
    meant = read_as(photos, Conventions(depth_factor=0.5, depth_along="ray"))
    known = room.depth[0] > 0
    ratio = (meant.load_depth(0) / room.depth[0])[known]
    assert float(ratio.log().abs().quantile(0.9)) < 2e-3
    assert read_as(photos, Conventions()) is photos


def test_what_cannot_be_trained_on_is_refused(tmp_path: Path, room: PhotoSet) -> None:
    with pytest.raises(InputError, match="views of a group must be a range"):
        StreamOptions((1, 3))
    with pytest.raises(InputError, match="max_pixels must hold a patch"):
        StreamOptions(max_pixels=100)
    apart = SetPart(room, tuple(range(6)), torch.zeros(6, 6))
    with pytest.raises(InputError, match="two photos that share at least 15%"):
        PhotoSetScenes([apart], OPTIONS)
    with pytest.raises(InputError, match="at least 6 photos to be split, got 4"):
        split_sets([load_photo_set(write_cameras_json(drawn_room().of_views(4), tmp_path / "few"))])
    folder = write_cameras_json(drawn_room(), tmp_path / "small")
    photos = load_photo_set(folder)
    Image.new("RGB", (64, 48)).save(folder / "images" / "000.png")
    with pytest.raises(ImageError, match="must be 128 x 96 pixels as its camera says, got 64 x 48"):
        PhotoSetViews(photos, (48, 64)).view(0)
    assert json.loads((folder / "cameras.json").read_text())["views"]
