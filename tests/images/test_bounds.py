"""Photos prepared for Depth Anything 3: sizes, pixels and intrinsics as published."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from glance3d.errors import ConfigError
from glance3d.images import Preprocessing, load_images, plan_placements
from glance3d.models.weights.cards import DA3_PREPROCESSING

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "da3" / "da3_preprocess.json").read_text()
)
MODES = ["upper_bound_resize", "upper_bound_crop", "lower_bound_resize", "lower_bound_crop"]
SIDES = st.integers(64, 6000)


def made_picture(seed, width, height, kind):
    shape = (height // 16 + 1, width // 16 + 1, len(kind))
    noise = np.random.RandomState(seed).randint(0, 256, shape, np.uint8)
    picture = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    return picture.convert("RGB")  # as published, where alpha is dropped; files are laid on white


def levels(batch):
    return (batch.images * 255).round().int()


def prepared(recipe, mode):
    """A batch of made pictures, and the largest difference of levels that is asked for."""
    rows = GOLDEN["recipes"][recipe]
    side = max if mode.startswith("upper") else min
    enlarged = any(side(width, height) < 504 for _, width, height, _ in rows)
    batch = load_images([made_picture(*row) for row in rows], Preprocessing(mode, size=504))
    # 1000 x 300 is enlarged from 504 x 151 to 504 x 154 in the second step.
    enlarged |= (recipe, mode) == ("wide", "upper_bound_resize")
    return batch, int(enlarged)


@pytest.mark.parametrize("key", GOLDEN["results"])
def test_published_pixels_and_intrinsics(key):
    recipe, mode = key.split("/")
    batch, slack = prepared(recipe, mode)
    expected = GOLDEN["results"][key]
    assert list(batch.images.shape) == expected["shape"]
    assert levels(batch).double().mean().item() == pytest.approx(expected["mean_level"], abs=1e-4)
    values = [levels(batch)[tuple(where)].item() for *where, _, _ in expected["samples"]]
    error = np.subtract(values, [level for *_, level, _ in expected["samples"]])
    assert np.abs(error).max() <= slack
    for placement, intrinsics in zip(batch.placements, expected["intrinsics"], strict=True):
        width, height = placement.original_size
        original = torch.tensor(
            [[0.9 * width, 0, 0.5 * width + 3], [0, 1.1 * width, 0.5 * height - 2], [0, 0, 1]],
            dtype=torch.float64,
        )
        torch.testing.assert_close(
            placement.intrinsics_to_processed(original),
            torch.tensor(intrinsics, dtype=torch.float64),
            atol=1e-4,
            rtol=1e-6,
        )


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("upper_bound_resize", (504, 154)),  # 151 is nearer to 154 than to 140
        ("upper_bound_crop", (504, 140)),
        ("lower_bound_resize", (1680, 504)),
        ("lower_bound_crop", (1680, 504)),
    ],
)
def test_sides_become_whole_patches(mode, expected):
    (placement,) = plan_placements([(1000, 300)], Preprocessing(mode, size=504))
    assert placement.processed_size == expected


def test_a_tie_is_resized_upwards():
    (placement,) = plan_placements([(504, 147)], Preprocessing("upper_bound_resize", size=504))
    assert placement.processed_size == (504, 154)


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("photo", [(4000, 20), (20, 4000)])
def test_a_thin_photo_keeps_one_patch(mode, photo):
    picture = Image.fromarray(np.full((photo[1], photo[0], 3), 90, np.uint8))
    batch = load_images([picture], Preprocessing(mode, size=504))
    assert sorted(batch.images.shape[-2:]) == [14, 504]
    assert (levels(batch) == 90).all()


@given(st.tuples(SIDES, SIDES), st.integers(1, 3))
def test_photos_of_one_shape_are_prepared_as_published_by_default(size, number):
    own = plan_placements([size] * number, DA3_PREPROCESSING)
    assert own == plan_placements([size] * number, Preprocessing("upper_bound_resize", size=504))


def test_photos_of_different_shapes_keep_their_published_pixels_and_are_padded():
    pictures = [made_picture(*row) for row in GOLDEN["recipes"]["mixed"]]
    batch = load_images(pictures, DA3_PREPROCESSING)
    assert batch.images.shape == (3, 3, 504, 504)
    for picture, image, placement in zip(pictures, levels(batch), batch.placements, strict=True):
        alone = load_images([picture], Preprocessing("upper_bound_resize", size=504))
        shown = placement.content_mask()
        assert torch.equal(image[:, shown], levels(alone)[0].flatten(1))
        assert (image[:, ~shown] == 255).all()


def test_a_budget_of_pixels_bounds_the_common_canvas():
    sizes = [(640, 480), (480, 640)]
    config = Preprocessing("upper_bound_pad", size=504, max_pixels=60_000)
    first, second = plan_placements(sizes, config)
    assert first.processed_size == second.processed_size == (238, 238)
    with pytest.raises(ConfigError, match="max_pixels = 100 is less than one patch"):
        Preprocessing("upper_bound_pad", size=504, max_pixels=100)


def test_a_bound_is_whole_patches():
    with pytest.raises(ConfigError, match="size must be a multiple of the patch size 14, got 500"):
        Preprocessing("lower_bound_crop", size=500)
