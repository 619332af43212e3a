"""Neighbours by names, time and position."""

import math

import torch

from glance3d.retrieval import known_neighbours
from glance3d.retrieval.neighbours import nearest
from glance3d.types import PhotoMetadata


def test_names_are_neighbours_in_natural_order() -> None:
    names = ["img10.jpg", "img2.jpg", "img1.jpg", "img11.jpg"]
    assert known_neighbours(names, (), 1) == [(0, 1), (0, 3), (1, 2)]


def test_each_camera_has_its_own_clock() -> None:
    taken = {
        "a.jpg": ("phone", "2026-05-01T10:00:00"),
        "b.jpg": ("camera", "2026-05-01T10:00:01"),
        "c.jpg": ("phone", "2026-05-01T10:00:09+02:00"),
        "d.jpg": ("camera", "2026-05-01T10:00:05"),
        "e.jpg": ("phone", "2026-05-01T10:00:04.5"),
    }
    metadata = [PhotoMetadata(camera=camera, taken=time) for camera, time in taken.values()]
    by_time = set(known_neighbours(list(taken), metadata, 1)) - set(
        known_neighbours(list(taken), (), 1)
    )
    assert by_time == {(0, 4), (2, 4), (1, 3)} - {(0, 1), (1, 2), (2, 3), (3, 4)}


def test_positions_are_compared_in_metres() -> None:
    # At 60 degrees north a degree of longitude is half of one of latitude.
    places = [(60.0, 10.0), (60.0, 10.0003), (60.0002, 10.0), (60.01, 10.0), (None, None)]
    metadata = [PhotoMetadata(latitude=lat, longitude=lon) for lat, lon in places]
    names = ["z", "a", "y", "b", "x"]
    by_place = set(known_neighbours(names, metadata, 1)) - set(known_neighbours(names, (), 1))
    assert (0, 1) in by_place
    assert (2, 3) in by_place
    assert not any(4 in pair for pair in by_place)


def test_as_many_neighbours_as_there_are() -> None:
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [3, 0, 0], [math.nan, 0, 0]])
    assert nearest(positions, 1) == [(0, 1), (1, 2)]
    assert nearest(positions, 9) == [(0, 1), (0, 2), (1, 2)]
    assert nearest(positions[2:], 2) == []
