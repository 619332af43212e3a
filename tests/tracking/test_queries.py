"""Which points are meant, and one sentence for what cannot be meant."""

import pytest
import torch

from glance3d.errors import InputError
from glance3d.tracking.queries import find_view, place_grid, place_queries
from glance3d.types import Placement

NAMES = ("a.jpg", "b.png", "b.jpg", "2.jpg", "007.jpg")
WHOLE = Placement((400, 200), (100, 50), (0.25, 0.25))
CROPPED = Placement((400, 200), (50, 50), (0.25, 0.25), (-25.0, 0.0))  # sees x from 100 to 300


@pytest.mark.parametrize(
    ("word", "view"),
    [
        ("a.jpg", 0),
        ("a", 0),
        ("b.png", 1),
        (3, 3),
        ("3", 3),
        ("2", 3),
        (2, 2),
        ("007", 4),
        ("0", 0),
    ],
)
def test_photos_by_name_stem_and_number(word, view):
    assert find_view(word, NAMES) == view


@pytest.mark.parametrize(
    ("word", "message"),
    [("c.jpg", "no photo 'c.jpg'"), ("b", "several"), (5, "from 0 to 4"), (-1, "-1")],
)
def test_photos_that_are_not_there(word, message):
    with pytest.raises(InputError, match=message):
        find_view(word, NAMES)


def test_queries_of_several_photos():
    views, pixels = place_queries([("b.jpg", 1.5, 2), (0, 400, 200)], NAMES, [WHOLE] * 5)
    assert views.tolist() == [2, 0]
    assert pixels.tolist() == [[1.5, 2], [400, 200]]


@pytest.mark.parametrize(
    ("query", "placement", "message"),
    [
        ((0, 401, 3), WHOLE, r"\(401, 3\) lies outside the photo a.jpg, which is 400 x 200"),
        ((0, 3, -1), WHOLE, "outside"),
        ((0, float("nan"), 3), WHOLE, "outside"),
        ((0, 90, 3), CROPPED, "outside the part that the network sees"),
        ((0, 3), WHOLE, r"a query is \(view, x, y\)"),
        ((0, "x", 3), WHOLE, r"a query is \(view, x, y\)"),
    ],
)
def test_queries_that_are_nowhere(query, placement, message):
    with pytest.raises(InputError, match=message):
        place_queries([query], NAMES, [placement] * 5)


def test_no_queries():
    with pytest.raises(InputError, match="no queries"):
        place_queries([], NAMES, [WHOLE] * 5)


def test_a_grid_is_even_and_counts_along_the_longer_side():
    views, pixels = place_grid(8, "b.png", NAMES, [WHOLE] * 5)
    assert views.tolist() == [1] * 32
    assert sorted(set(pixels[:, 0].tolist())) == [25 + 50 * i for i in range(8)]
    assert sorted(set(pixels[:, 1].tolist())) == [25 + 50 * i for i in range(4)]


def test_a_grid_leaves_out_what_a_crop_has_cut_off():
    _, pixels = place_grid(8, 0, NAMES, [CROPPED] * 5)
    assert pixels[:, 0].min() >= 100
    assert pixels[:, 0].max() <= 300
    assert len(pixels) == 16


@pytest.mark.parametrize("count", [0, -3, 10_000])
def test_impossible_grids(count):
    with pytest.raises(InputError, match="grid"):
        place_grid(count, 0, NAMES, [WHOLE] * 5)


def test_one_point_is_a_grid():
    _, pixels = place_grid(1, 0, NAMES, [WHOLE] * 5)
    assert torch.equal(pixels, torch.tensor([[200.0, 100.0]]))
