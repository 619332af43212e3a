"""How far the picture travels, and how sharp it is, against windows moved by known amounts."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from glance3d.images.clips.motion import Travel, displacement, sharpness_of
from tests.images.clips.drawn import large_picture, pan


def grey(picture):
    return np.asarray(picture.convert("L"))


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.3, 8.0])
def test_displacement_of_a_shift(shift):
    first, second = (grey(picture).astype(float) for picture in pan([100, 100 + shift]))
    assert displacement(first, second) == pytest.approx(shift, abs=0.5)


def test_a_large_shift_is_still_recognised():
    first, second = (grey(picture).astype(float) for picture in pan([100, 130]))
    assert displacement(first, second) == pytest.approx(30, abs=1)


def test_another_picture_is_not():
    first, second = (grey(picture).astype(float) for picture in pan([0, 600]))
    assert displacement(first, second) is None


@pytest.mark.parametrize("step", [0.2, 1.0, 3.0, 7.0])
def test_travel_of_a_pan_is_its_length_at_any_speed(step):
    places = np.arange(0, min(300, 150 * step), step)
    travel = Travel()
    ways = [travel.follow(grey(picture)) for picture in pan(places)]
    assert ways == sorted(ways)
    assert ways[-1] == pytest.approx(places[-1] / 160, rel=0.12)


def test_a_zoom_travels_too_and_a_trembling_hand_does_not():
    large = large_picture()
    travel, far = Travel(), 0.0
    for scale in np.linspace(1, 0.6, 20):
        box = (80 - 80 * scale, 60 - 48 * scale, 80 + 80 * scale, 60 + 48 * scale)
        far = travel.follow(grey(large.resize((160, 96), Image.Resampling.BICUBIC, box)))
    assert far > 0.08
    random, still = np.random.default_rng(1), Travel()
    for picture in pan(100 + random.normal(0, 0.3, 100)):
        far = still.follow(grey(picture))
    assert far < 0.012


def test_noise_on_a_wall_does_not_travel():
    random, travel = np.random.default_rng(0), Travel()
    walls = (np.clip(random.normal(128, 1, (96, 160)), 0, 255) for _ in range(20))
    assert [travel.follow(wall.astype(np.uint8)) for wall in walls][-1] == 0


def test_a_blurred_frame_between_sharp_ones_adds_nothing():
    travel = Travel()
    frames = pan(np.arange(0, 60, 3.0), blurred=[7, 8])
    ways = [travel.follow(grey(picture)) for picture in frames]
    assert ways[-1] == pytest.approx(57 / 160, rel=0.15)


def test_a_cut_is_a_step():
    travel = Travel()
    ways = [travel.follow(grey(picture)) for picture in pan([0, 1, 2, 600, 601, 602])]
    assert ways[3] - ways[2] > 0.2
    assert ways[5] - ways[3] < 0.05


def test_sharpness_falls_with_blur_and_not_with_light():
    picture = large_picture().convert("L")
    sharp = sharpness_of(np.asarray(picture))
    dark = sharpness_of(np.asarray(picture) // 2)
    assert dark == pytest.approx(sharp, rel=0.1)
    radii = [sharpness_of(np.asarray(picture.filter(ImageFilter.BoxBlur(r)))) for r in (1, 2, 4)]
    assert sharp > radii[0] > radii[1] > radii[2]
