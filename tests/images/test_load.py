"""Many photos at once: order, names, bad ones among good ones, memory."""

import logging
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.errors import ImageError, InputError
from glance3d.images import (
    PREPROCESSING_MODES,
    Preprocessing,
    load_images,
    open_upright,
    photo_memory,
)
from glance3d.images import load as load_module
from glance3d.types import Placement
from tests.images.files import gradient

SHARED = Path(__file__).parents[3] / "shared" / "data"
SMALL = Preprocessing(max_pixels=126 * 98)


def save(path, width=160, height=120, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def cut_short(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def test_a_folder_becomes_a_batch_in_natural_order(tmp_path):
    for number in (10, 2, 1):
        save(tmp_path / f"img{number}.png", seed=number)
    batch = load_images(tmp_path, SMALL)
    assert batch.names == ("img1.png", "img2.png", "img10.png")
    assert batch.sources == tuple(str(tmp_path / name) for name in batch.names)
    assert batch.images.shape == (3, 3, 98, 126)
    assert batch.images.dtype == torch.float32
    assert 0 <= batch.images.min() < batch.images.max() <= 1
    assert batch.skipped == ()
    for index, name in enumerate(batch.names):
        alone = load_images(tmp_path / name, SMALL)
        torch.testing.assert_close(alone.images[0], batch.images[index], rtol=0, atol=0)


def test_pixels_are_held_once_as_bytes(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png", seed=number)
    batch = load_images(tmp_path, SMALL)
    assert batch.pixels.dtype == torch.uint8
    assert batch.image_size == (98, 126)
    assert torch.equal(batch.images, batch.pixels.float() / 255)
    assert batch.images.is_contiguous()
    floats = replace(batch, pixels=batch.images)
    assert torch.equal(floats.colors, batch.colors)
    assert batch.colors.data_ptr() == batch.pixels.data_ptr()


def test_the_default_keeps_a_whole_photo_in_the_published_budget(tmp_path):
    batch = load_images(save(tmp_path / "a.png"))
    assert batch.images.shape == (1, 3, 392, 518)
    assert batch.content_mask.all()


def test_portrait_and_landscape_share_a_canvas(tmp_path):
    save(tmp_path / "a.png", 160, 120)
    save(tmp_path / "b.png", 120, 160)
    batch = load_images(tmp_path, SMALL)
    height, width = batch.images.shape[2:]
    assert height == width
    assert (batch.images.movedim(1, -1)[~batch.content_mask] == 1).all()
    assert batch.content_mask.float().mean() > 0.7


def test_bad_photos_are_left_out_and_reported(tmp_path, caplog):
    save(tmp_path / "1.png")
    (tmp_path / "2.jpg").write_text("no photo")
    cut_short(save(tmp_path / "3.jpg", seed=3))
    (tmp_path / "4.jpg").write_bytes(b"")
    Image.new("RGB", (1, 1)).save(tmp_path / "5.png")
    save(tmp_path / "6.png", seed=6)
    with caplog.at_level(logging.WARNING, "glance3d"):
        batch = load_images(tmp_path, SMALL)
    assert batch.names == ("1.png", "6.png")
    skipped = {photo.source.rsplit("/", 1)[1]: photo.reason for photo in batch.skipped}
    assert set(skipped) == {"2.jpg", "3.jpg", "4.jpg", "5.png"}
    for name, reason in skipped.items():
        assert name in reason
        assert reason in caplog.text


@pytest.mark.parametrize("mode", PREPROCESSING_MODES)
def test_the_others_are_placed_as_if_a_bad_photo_had_never_been(tmp_path, mode):
    config = Preprocessing(mode, size=126, max_pixels=126 * 98)
    for index in range(3):
        save(tmp_path / "good" / f"{index}.png", seed=index)
        save(tmp_path / "all" / f"{index}.png", seed=index)
    cut_short(save(tmp_path / "all" / "1b.jpg", 100, 400))
    good, batch = load_images(tmp_path / "good", config), load_images(tmp_path / "all", config)
    assert batch.placements == good.placements
    torch.testing.assert_close(batch.images, good.images, rtol=0, atol=0)


def test_only_a_changed_layout_is_rendered_again(tmp_path, monkeypatch):
    for index in range(3):
        save(tmp_path / f"{index}.png", seed=index)
    cut_short(save(tmp_path / "bad.jpg"))
    rendered = []

    def counting(photo, placement, mode):
        rendered.append(photo.name)
        return render(photo, placement, mode)

    render = load_module.render
    monkeypatch.setattr(load_module, "render", counting)
    assert len(load_images(tmp_path, SMALL).names) == 3
    assert sorted(rendered) == ["0.png", "1.png", "2.png", "bad.jpg"]


def test_nothing_left_is_an_error_with_the_reasons(tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    cut_short(save(tmp_path / "cut.jpg"))
    with pytest.raises(
        ImageError, match=r"none of the photos .*text\.jpg is not a photo.*cut\.jpg"
    ):
        load_images(tmp_path)
    notes = tmp_path / "notes.txt"
    notes.write_text("no photo at all")
    with pytest.raises(ImageError, match=r"notes\.txt is not a photo"):
        load_images(notes)


def test_images_in_memory(tmp_path):
    arrays = [gradient(160, 120), gradient(120, 160)]
    batch = load_images(arrays, SMALL)
    assert batch.names == ("view_000.png", "view_001.png")
    assert batch.sources == ("memory:0", "memory:1")
    assert [p.original_size for p in batch.placements] == [(160, 120), (120, 160)]
    pictures = load_images([Image.fromarray(array) for array in arrays], SMALL)
    torch.testing.assert_close(pictures.images, batch.images, rtol=0, atol=0)
    assert load_images(arrays[0], SMALL).names == ("view_000.png",)
    assert load_images(Image.fromarray(arrays[0]), SMALL).images.shape[0] == 1


def test_the_same_image_twice_in_memory_is_two_views():
    picture = Image.fromarray(gradient(160, 120))
    assert load_images([picture, picture], SMALL).images.shape[0] == 2


@pytest.mark.parametrize(
    "array", [np.zeros((40, 40, 3)), np.zeros((40, 40), np.uint8), np.zeros((3, 40, 40), np.uint8)]
)
def test_arrays_that_are_no_images(array):
    with pytest.raises(InputError, match=r"must be uint8 \[height, width, 3\]"):
        load_images([array])


def test_paths_and_arrays_do_not_mix(tmp_path):
    with pytest.raises(InputError, match="one kind or the other"):
        load_images([str(save(tmp_path / "a.png")), gradient(40, 40)])
    with pytest.raises(ImageError, match="no photos were given"):
        load_images([])


def test_progress_goes_to_stderr_only_when_asked(tmp_path, capsys):
    save(tmp_path / "a.png")
    load_images(tmp_path, SMALL)
    assert capsys.readouterr().err == ""
    load_images(tmp_path, SMALL, progress=True)
    assert "photos" in capsys.readouterr().err


def test_thirty_photos_are_never_in_memory_together(tmp_path, monkeypatch):
    for index in range(30):
        save(tmp_path / f"{index}.png")
    lock, decoded, peak = threading.Lock(), set(), []

    def watched(photo, placement, mode):
        with lock:
            decoded.add(photo)
            peak.append(len(decoded))
        try:
            return render(photo, placement, mode)
        finally:
            with lock:
                decoded.remove(photo)

    render = load_module.render
    monkeypatch.setattr(load_module, "render", watched)
    monkeypatch.setattr(photo_memory.os, "cpu_count", lambda: 8)
    # Room for two photos and a half.
    one = photo_memory.decoded_bytes("a.png", Placement((160, 120), (56, 42)))
    monkeypatch.setattr(photo_memory, "DECODING_ROOM", int(2.5 * one))
    assert len(load_images(tmp_path, SMALL).names) == 30
    assert max(peak) <= 2
    # Less room than one photo needs: one at a time.
    peak.clear()
    monkeypatch.setattr(photo_memory, "DECODING_ROOM", 1)
    load_images(tmp_path, SMALL)
    assert max(peak) == 1


@pytest.mark.shared
@pytest.mark.parametrize("name", ["lund_door", "fox", "hololens_office", "middlebury_motorcycle"])
def test_real_photos(name):
    folder = SHARED / name / "images"
    if not folder.is_dir():
        pytest.skip(f"the real photo set {name} is not beside this checkout")
    batch = load_images(folder)
    assert len(batch.names) == len(list(folder.glob("*.jpg")))
    assert batch.skipped == ()
    upright = open_upright(batch.sources[0])
    assert upright.size == batch.placements[0].original_size
    # The batch is the photo, only smaller: it correlates with a plain thumbnail.
    small = torch.tensor(np.asarray(upright.resize((60, 60), Image.Resampling.BOX))).float()
    again = torch.nn.functional.interpolate(
        batch.images[:1] * batch.content_mask[:1], (60, 60), mode="area"
    )
    both = torch.stack([small.movedim(-1, 0).flatten(), again.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.99
