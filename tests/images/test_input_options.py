"""How photos become the network's images: what contradicts itself is refused at once."""

from pathlib import Path

import numpy as np
import pytest

from glance3d.errors import InputError
from glance3d.images import ClipSampling, InputOptions, Preprocessing

OWN = Preprocessing(max_pixels=64 * 64, patch_size=16, size=64)


def test_fields_that_are_given_change_the_models_own() -> None:
    assert InputOptions().preprocessing(OWN) == OWN
    assert InputOptions("crop").preprocessing(OWN).mode == "crop"
    changed = InputOptions({"max_pixels": 4096 * 2}).preprocessing(OWN)
    assert changed == Preprocessing(max_pixels=4096 * 2, patch_size=16, size=64)
    whole = Preprocessing()
    assert InputOptions(whole).preprocessing(OWN) == whole


def test_a_size_that_does_not_suit_the_patch_becomes_a_square_of_the_pixel_budget() -> None:
    own = Preprocessing(max_pixels=100 * 100, patch_size=16, size=518)
    assert InputOptions("crop").preprocessing(own).size == 96


def test_a_number_of_pixels_for_a_mode_that_has_none_is_refused() -> None:
    for mode in ("crop", "lower_bound_resize"):
        options = InputOptions({"mode": mode, "max_pixels": 4096})
        with pytest.raises(InputError, match=f"modes fit and upper_bound_pad, got it for {mode}"):
            options.preprocessing(OWN)
    padded = InputOptions({"mode": "upper_bound_pad", "max_pixels": 1024}).preprocessing(OWN)
    assert padded.max_pixels == 1024


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preprocess": {"max_pixel": 3}}, "unknown preprocessing field max_pixel"),
        ({"mask_input": True}, "give masks as well"),
    ],
)
def test_what_contradicts_itself_is_refused_when_made(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        InputOptions(**arguments)


def test_masks_that_no_photo_has_are_refused_when_photos_are_loaded(tmp_path: Path) -> None:
    pictures = [np.full((32, 48, 3), 60 * index, np.uint8) for index in range(2)]
    assert InputOptions(clips=ClipSampling(views=3)).load(pictures, OWN).names[0] == "view_000.png"
    with pytest.raises(InputError, match="give masks as well"):
        InputOptions(masks=[None, None], mask_input=True).load(pictures, OWN)
