"""What photos take at their original size, against what decoders really make of them."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from glance3d.images import Preprocessing, load_images, photo_memory
from glance3d.images.decoding.decode import open_upright
from glance3d.images.photo_memory import (
    bytes_at_original_size,
    decoded_bytes,
    num_decoders,
    num_writers,
    side_by_side,
    written_bytes,
)
from glance3d.types import Placement

SMALL = Preprocessing(patch_size=14, max_pixels=14 * 14 * 12)


@pytest.mark.parametrize(
    ("name", "size"), [("a.jpg", (640, 480)), ("a.jpg", (642, 479)), ("a.png", (640, 480))]
)
def test_a_jpeg_counts_at_the_size_it_is_decoded_at(
    name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    Image.new("RGB", size, "teal").save(tmp_path / name)
    (placement,) = load_images(tmp_path, SMALL).placements
    shown = [2 * round(side * scale) for side, scale in zip(size, placement.scale, strict=True)]
    width, height = open_upright(tmp_path / name, at_least=(shown[0], shown[1])).size
    assert decoded_bytes(name, placement) == 8 * width * height
    assert decoded_bytes(name, placement, exact=True) == 8 * size[0] * size[1]


def test_as_many_as_there_is_room_for_and_at_least_one() -> None:
    assert side_by_side([10, 20, 30], room=65, most=16) == 2
    assert side_by_side([10, 20, 30], room=1000, most=16) == 3
    assert side_by_side([10, 20, 30], room=1000, most=2) == 2
    assert side_by_side([10, 20, 30], room=5, most=16) == 1


def test_large_photos_are_written_one_by_one() -> None:
    small, large = (Placement((side, side), (112, 112)) for side in (1000, 8000))
    assert num_writers([written_bytes(small, is_masked=False)] * 8) == 4
    assert num_writers([written_bytes(large, is_masked=False)] * 8) == 1
    assert written_bytes(large, is_masked=True) > written_bytes(large, is_masked=False)


def test_a_batch_takes_what_is_in_flight_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(5):
        Image.new("RGB", (400, 300), "teal").save(tmp_path / f"{index}.png")
    monkeypatch.setattr(photo_memory.os, "cpu_count", lambda: 2)
    batch = load_images(tmp_path, SMALL)
    decoding, writing = bytes_at_original_size(batch)
    assert decoding == 2 * 8 * 400 * 300
    assert writing == 4 * 4 * 400 * 300
    assert num_decoders([1] * 5) == 2
    assert torch.isfinite(batch.images).all()
