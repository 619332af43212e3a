"""The `fit` layout keeps whole photos at their aspect ratios and within the budget."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glance3d.images.fit import fit_sizes

BUDGET = 518 * 392
SIDES = st.integers(16, 5000)
PHOTOS = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=6)


def canvas(sizes):
    return max(w for w, _ in sizes), max(h for _, h in sizes)


def squeeze(original, shown):
    return abs(math.log(shown[0] / shown[1] * original[1] / original[0]))


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ((4000, 3000), (518, 392)),  # what the published modes give a 4:3 photo
        ((3000, 4000), (392, 518)),
        ((6000, 4000), (546, 364)),
        ((1920, 1080), (602, 336)),
        ((1000, 1000), (448, 448)),
    ],
)
def test_common_shapes(photo, expected):
    assert fit_sizes([photo], 14, BUDGET) == [expected]


def test_resolution_does_not_matter_and_small_photos_are_enlarged():
    assert fit_sizes([(4000, 3000), (64, 48)], 14, BUDGET) == [(518, 392)] * 2


def test_portrait_and_landscape_share_a_square_at_the_same_scale():
    shown = fit_sizes([(4000, 3000), (3000, 4000), (4000, 3000)], 14, BUDGET)
    assert shown == [(448, 336), (336, 448), (448, 336)]


def test_photos_of_different_shapes_get_about_the_same_number_of_pixels():
    photos = [(4000, 3000), (1600, 900), (1000, 1000), (900, 1600)]
    areas = [w * h for w, h in fit_sizes(photos, 14, BUDGET)]
    assert max(areas) / min(areas) < 1.1


@pytest.mark.parametrize("photo", [(20_000, 1000), (60_000, 16), (16, 60_000)])
def test_extreme_panoramas_keep_a_patch_on_the_short_side(photo):
    ((width, height),) = fit_sizes([photo], 14, BUDGET)
    assert min(width, height) >= 14
    assert 0.5 * BUDGET < width * height <= BUDGET
    assert (width > height) == (photo[0] > photo[1])


def test_a_longest_side_can_be_set():
    assert fit_sizes([(1920, 1080)], 14, BUDGET, max_side=518) == [(518, 294)]
    assert max(canvas(fit_sizes([(9000, 600), (600, 800)], 14, BUDGET, max_side=518))) <= 518


@given(PHOTOS, st.integers(1, 20), st.integers(1, 1500))
def test_the_budget_holds_and_sides_are_whole_patches(photos, patch_size, num_patches):
    budget = num_patches * patch_size**2 + patch_size // 2
    shown = fit_sizes(photos, patch_size, budget)
    width, height = canvas(shown)
    assert width * height <= budget
    assert all(w % patch_size == 0 < w and h % patch_size == 0 < h for w, h in shown)


@given(st.tuples(st.integers(400, 4000), st.integers(400, 4000)))
@settings(max_examples=40)
def test_an_ordinary_photo_is_hardly_squeezed_and_uses_the_budget(photo):
    if max(photo) > 3 * min(photo):
        return
    ((width, height),) = fit_sizes([photo], 14, BUDGET)
    assert squeeze(photo, (width, height)) < 0.03
    assert width * height > 0.9 * BUDGET


@given(PHOTOS)
@settings(max_examples=30)
def test_turning_every_photo_turns_the_layout(photos):
    shown = fit_sizes(photos, 14, BUDGET)
    turned = fit_sizes([(h, w) for w, h in photos], 14, BUDGET)
    area, turned_area = math.prod(canvas(shown)), math.prod(canvas(turned))
    assert area == turned_area


@given(PHOTOS)
@settings(max_examples=30)
def test_order_and_repetition_do_not_matter(photos):
    shown = dict(zip(photos, fit_sizes(photos, 14, BUDGET), strict=True))
    again = fit_sizes([*photos[::-1], photos[0]], 14, BUDGET)
    assert again == [shown[photo] for photo in [*photos[::-1], photos[0]]]
