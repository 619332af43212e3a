"""Pixels as published, and a record of what was done that leads back exactly."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from glance3d.errors import ConfigError, InputError
from glance3d.images import Preprocessing, load_images, plan_placements, render
from glance3d.images.preprocess import resized_size
from tests.images.files import gradient, save_oriented

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "preprocess.json").read_text())

# Small enough to be quick, otherwise as the defaults.
SMALL = {
    "fit": Preprocessing("fit", max_pixels=126 * 98),
    "fit, odd patches": Preprocessing("fit", max_pixels=126 * 98, patch_size=7),
    "crop": Preprocessing("crop", size=126),
    "pad": Preprocessing("pad", size=126),
    "upper_bound_resize": Preprocessing("upper_bound_resize", size=126),
    "upper_bound_crop": Preprocessing("upper_bound_crop", size=126),
    "lower_bound_resize": Preprocessing("lower_bound_resize", size=56),
    "lower_bound_crop": Preprocessing("lower_bound_crop", size=56),
    "upper_bound_pad": Preprocessing("upper_bound_pad", size=126, max_pixels=126 * 98),
}
CONFIGS = st.sampled_from(list(SMALL.values()))
SIDES = st.integers(16, 400)
PHOTOS = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=4)


@pytest.mark.parametrize("key", GOLDEN["results"])
def test_published_modes_are_pixel_exact(key, tmp_path):
    recipe, mode = key.split("/")
    for index, (seed, width, height, kind) in enumerate(GOLDEN["recipes"][recipe]):
        shape = (height // 16 + 1, width // 16 + 1, len(kind))
        noise = np.random.RandomState(seed).randint(0, 256, shape, np.uint8)
        picture = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"{index}.png")
    images = load_images(tmp_path, Preprocessing(mode)).images
    expected = GOLDEN["results"][key]
    assert list(images.shape) == expected["shape"]
    assert images.double().mean().item() == pytest.approx(expected["mean"], abs=1e-7)
    values = [images[tuple(where)].item() for *where, _ in expected["samples"]]
    assert values == [value for *_, value in expected["samples"]]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (
            {"mode": "squash"},
            "unknown preprocessing mode 'squash': choose from 'fit', 'crop', 'pad'",
        ),
        ({"patch_size": 0}, "patch_size must be at least 1"),
        ({"max_pixels": 195}, "max_pixels = 195 is less than one patch of 14x14"),
        ({"max_side": 13}, "max_side = 13 is less than one patch"),
        ({"mode": "crop", "size": 512}, "size must be a multiple of the patch size 14, got 512"),
        ({"mode": "pad", "size": 0}, "size must be a multiple"),
    ],
)
def test_a_contradiction_fails_when_made(wrong, complaint):
    with pytest.raises(ConfigError, match=complaint):
        Preprocessing(**wrong)


def test_no_photos_make_no_plan():
    with pytest.raises(InputError, match="at least one"):
        plan_placements([], Preprocessing())


@given(PHOTOS, CONFIGS)
def test_a_plan_is_one_canvas_of_whole_patches(sizes, config):
    placements = plan_placements(sizes, config)
    assert len({placement.processed_size for placement in placements}) == 1
    width, height = placements[0].processed_size
    assert width % config.patch_size == 0 == height % config.patch_size
    if config.mode.startswith("lower"):
        assert min(width, height) == config.size
    else:
        has_budget = config.mode in ("fit", "upper_bound_pad")
        assert width * height <= (config.max_pixels if has_budget else config.size**2)
    assert [placement.original_size for placement in placements] == sizes


@given(PHOTOS, CONFIGS)
def test_pixels_go_there_and_back(sizes, config):
    for placement in plan_placements(sizes, config):
        corners = torch.tensor(
            list(itertools.product([0.0, 0.5, 17.3], [0.0, 11.1])), dtype=torch.float64
        )
        processed = placement.to_processed(corners)
        torch.testing.assert_close(placement.to_original(processed), corners, atol=1e-9, rtol=0)
        round_trip = placement.to_processed(placement.to_original(corners.float()))
        torch.testing.assert_close(round_trip, corners.float(), atol=1e-3, rtol=0)


@given(PHOTOS, CONFIGS, st.floats(50, 5000), st.floats(0.2, 0.8))
def test_intrinsics_go_there_and_back_and_project_alike(sizes, config, focal, center):
    for placement in plan_placements(sizes, config):
        width, height = placement.original_size
        original = torch.tensor(
            [[focal, 0, center * width], [0, 1.1 * focal, center * height], [0, 0, 1]],
            dtype=torch.float64,
        )
        processed = placement.intrinsics_to_processed(original)
        torch.testing.assert_close(placement.intrinsics_to_original(processed), original)
        ray = torch.tensor([0.2, -0.1, 1.0], dtype=torch.float64)
        torch.testing.assert_close(
            placement.to_processed((original @ ray)[:2]), (processed @ ray)[:2]
        )


@given(PHOTOS, CONFIGS)
@settings(max_examples=30)
def test_a_map_of_coordinates_returns_as_the_originals_coordinates(sizes, config):
    for placement in plan_placements(sizes, config):
        (width, height), (columns, rows) = placement.original_size, placement.processed_size
        grid = torch.stack(
            torch.meshgrid(torch.arange(columns) + 0.5, torch.arange(rows) + 0.5, indexing="xy"),
            -1,
        )
        ramp = placement.to_original(grid)
        expected = (torch.arange(width) + 0.5).expand(height, width)
        expected = torch.stack(
            [expected, (torch.arange(height) + 0.5)[:, None].expand_as(expected)]
        )
        # Half a processed pixel is lost at the photo's edge, where there is no further sample.
        reach = 0.5 / torch.tensor(placement.scale)[:, None, None] + 1e-3
        # In float64, as the map is: a centre may fall on the very edge of the grid.
        seen = placement.to_processed(expected.double().movedim(0, -1)).movedim(-1, 0)
        inside = ((seen > 0) & (seen < torch.tensor([columns, rows])[:, None, None])).all(0)
        for mode in ("nearest", "bilinear"):
            restored = torch.stack([placement.map_to_original(ramp[..., i], mode) for i in (0, 1)])
            assert ((restored - expected).abs() <= reach)[:, inside].all()
            assert (restored[:, ~inside] == 0).all()
        interior = ((seen > 1) & (seen < torch.tensor([columns - 1, rows - 1])[:, None, None])).all(
            0
        )
        edge = 0.5 / torch.tensor(placement.scale)
        interior &= (expected[0] > edge[0]) & (expected[0] < width - edge[0])
        interior &= (expected[1] > edge[1]) & (expected[1] < height - edge[1])
        torch.testing.assert_close(
            restored[:, interior], expected[:, interior], atol=2e-3, rtol=1e-5
        )


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)
def test_padding_never_mixes_into_a_map(config, mode):
    for placement in plan_placements([(300, 200), (200, 300), (40, 390)], config):
        grid = torch.where(placement.content_mask(), 5.0, -1e6)
        restored = placement.map_to_original(grid, mode)
        assert set(restored.unique().tolist()) <= {0.0, 5.0}
        cuts = any(
            whole > shown
            for whole, shown in zip(resized_size(placement), placement.processed_size, strict=True)
        )
        assert (restored == 0).any() == cuts == (placement.share_shown < 1 - 1e-9)


@given(PHOTOS, CONFIGS)
@settings(max_examples=50)
def test_the_content_mask_is_where_the_photo_was_painted(sizes, config):
    for placement in plan_placements(sizes, config):
        black = Image.new("RGB", placement.original_size)
        painted = render(black, placement, config.mode)
        mask = placement.content_mask().numpy()
        assert (painted[mask] == 0).all()
        assert (painted[~mask] == 255).all()


DOT_PHOTOS = [(320, 240), (240, 320), (300, 300), (397, 203), (60, 45)]


def picture_of_a_dot(size, center, radius):
    width, height = size
    y, x = np.mgrid[0:height, 0:width] + 0.5
    bump = np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * radius**2))
    grey = (255 * (1 - bump)).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def find_dot(pixels):
    weight = 255.0 - pixels[..., 0]
    weight[weight < 25] = 0  # leaves the dot's core: rounding noise far away would pull
    y, x = np.mgrid[0 : weight.shape[0], 0 : weight.shape[1]] + 0.5
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)
def test_a_dot_lands_where_the_placement_says(config):
    for size, placement in zip(DOT_PHOTOS, plan_placements(DOT_PHOTOS, config), strict=True):
        center = (0.43 * size[0], 0.55 * size[1])
        photo = picture_of_a_dot(size, center, radius=0.04 * min(size) + 2)
        dot = find_dot(render(photo, placement, config.mode).astype(float))
        expected = placement.to_processed(torch.tensor(center)).numpy()
        np.testing.assert_allclose(dot, expected, atol=0.06)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)
def test_a_turned_file_gives_the_pixels_of_the_turned_photo(tmp_path, config, orientation):
    upright = Image.fromarray(gradient(320, 200))
    upright.save(tmp_path / "a_upright.png")
    save_oriented(tmp_path / "b_turned.png", upright, orientation)
    batch = load_images(tmp_path, config)
    torch.testing.assert_close(batch.images[0], batch.images[1], rtol=0, atol=0)
    assert batch.placements[1].original_size == (320, 200)
    assert [p.exif_orientation for p in batch.placements] == [1, orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_dot_in_a_turned_jpeg_decoded_small_lands_where_the_placement_says(tmp_path, orientation):
    center = (0.43 * 1200, 0.55 * 800)
    dot = picture_of_a_dot((1200, 800), center, radius=40)
    path = save_oriented(tmp_path / "a.jpg", dot, orientation, quality=95)
    (placement,) = load_images(path, SMALL["fit"]).placements
    for mode in ("fit", "crop", "upper_bound_resize"):
        position = find_dot(render(path, placement, mode).astype(float))
        expected = placement.to_processed(torch.tensor(center)).numpy()
        np.testing.assert_allclose(position, expected, atol=0.06)


@pytest.mark.parametrize("photo", [(4000, 20), (20, 4000), (16, 16)])
@pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)
def test_extreme_shapes_are_still_shown(config, photo):
    (placement,) = plan_placements([photo], config)
    painted = render(Image.new("RGB", photo), placement, config.mode)
    assert (painted == 0).any()
    assert painted.shape[:2] == placement.processed_size[::-1]
