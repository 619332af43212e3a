"""Small pictures show the photo as people know it, with depth that fits on it."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glance3d.exporters.maps.colormap import inverse_depth_range
from glance3d.exporters.presentation import depth_thumbnail, jpeg_bytes, photo_thumbnail
from tests.exporters.analytic import build_scene


@pytest.mark.parametrize("view", range(4))
def test_a_thumbnail_has_the_upright_photos_shape(scene, view):
    width, height = scene.placements[view].original_size
    small = photo_thumbnail(scene, view, 80)
    assert max(small.size) == 80
    assert small.width / small.height == pytest.approx(width / height, rel=0.02)


def test_small_photos_are_not_enlarged(scene):
    assert photo_thumbnail(scene, 0, 5000).size == scene.placements[0].original_size


@pytest.mark.parametrize("view", range(3))
def test_what_the_network_saw_stands_in_for_a_photo_that_is_gone(scene, tmp_path, view):
    gone = build_scene(tmp_path, photos=False)
    stand_in = np.asarray(photo_thumbnail(gone, view, 80), float)
    photo = np.asarray(photo_thumbnail(scene, view, 80), float)
    inside = (slice(8, -8), slice(8, -8))  # the grid's own edge is mixed with padding
    assert np.abs(stand_in - photo)[inside].mean() < 6


def test_copies_are_found_where_sources_are_gone(scene, tmp_path):
    source = Path(scene.sources[0])
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / source.name).write_bytes(source.read_bytes())
    moved = replace(build_scene(tmp_path, photos=False), home=tmp_path, contents=scene.contents)
    moved_thumbnail = photo_thumbnail(moved, 0, 300)
    assert np.array_equal(moved_thumbnail, photo_thumbnail(scene, 0, 300))


def test_a_damaged_photo_is_no_reason_to_fail(scene, tmp_path):
    damaged = build_scene(tmp_path)
    Path(damaged.sources[0]).write_bytes(Path(damaged.sources[0]).read_bytes()[:2000])
    assert photo_thumbnail(damaged, 0, 80).size == photo_thumbnail(scene, 0, 80).size


def test_depth_lies_on_its_photo(scene):
    depth_range = inverse_depth_range(scene.depth, scene.mask)
    for view in range(3):  # the fourth photo was cropped: black, where the network saw nothing
        depth = depth_thumbnail(scene, view, 80, depth_range)
        assert depth.size == photo_thumbnail(scene, view, 80).size
        assert np.asarray(depth)[8:-8, 8:-8].any(-1).all()  # no black of padding inside


def test_jpegs_open_again(scene):
    small = photo_thumbnail(scene, 0, 64)
    assert Image.open(io.BytesIO(jpeg_bytes(small))).size == small.size
