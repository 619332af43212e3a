"""Dark photos are stretched before features are looked for, others are left alone."""

from pathlib import Path

import numpy as np
from PIL import Image

from glance3d.images import Originals
from glance3d.refinement import RefineOptions
from glance3d.refinement.matching.features import stretch_dark
from glance3d.refinement.matching.matched_photos import match_photos
from glance3d.refinement.pycolmap_interface import quiet
from tests.refinement.rendered import Room, arc, build_scene


def test_only_dark_pictures_are_stretched() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    bright, dark = Image.fromarray(levels), Image.fromarray(levels // 8)
    assert stretch_dark(bright) is bright
    stretched = np.asarray(stretch_dark(dark))
    assert 200 < stretched.max() <= 255
    assert (np.diff(stretched.astype(int).flatten()) >= 0).all()
    black = Image.fromarray(np.zeros((16, 16), np.uint8))
    assert np.asarray(stretch_dark(black)).max() == 0


def test_dark_photos_match(tmp_path: Path) -> None:
    truth = build_scene([Room()] * 2, arc(3)[:2], tmp_path)
    darkened = [
        np.asarray(Image.open(source).point(lambda value: value // 8)) for source in truth.sources
    ]
    (tmp_path / "work").mkdir()
    with quiet():
        photos = match_photos(
            truth, Originals(truth, photos=darkened), tmp_path / "work", RefineOptions()
        )
    assert photos.view_graph.num_matches_of(0) > 100
