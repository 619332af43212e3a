"""Which views are seen together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glance3d.errors import InputError
from glance3d.windows import WindowOptions, lay_out


@given(
    num_views=st.integers(1, 60),
    size=st.integers(2, 20),
    overlap=st.none() | st.integers(1, 19),
    reference=st.integers(0, 59),
)
def test_every_view_is_seen_and_every_window_is_tied_to_earlier_ones(
    num_views: int, size: int, overlap: int | None, reference: int
) -> None:
    overlap = None if overlap is None else min(overlap, size - 1)
    reference %= num_views
    options = WindowOptions(size, overlap)
    windows = lay_out(num_views, options, reference)
    assert windows[0][0] == reference
    assert {view for window in windows for view in window} == set(range(num_views))
    held = set(windows[0])
    for window in windows[1:]:
        assert len(window) == len(set(window)) == size
        assert len(held & set(window)) >= options.shared
        assert window[0] in held
        assert set(window) - held  # no window for nothing
        held |= set(window)


def test_neighbours_stay_together() -> None:
    windows = lay_out(25, WindowOptions(8))
    spans = [(min(window), max(window)) for window in windows]
    assert spans == [(0, 7), (5, 12), (11, 18), (17, 24)]
    assert windows[0] == tuple(range(8))
    assert windows[1][0] == 7  # of the shared ones the nearest to its middle


def test_windows_go_out_from_the_reference() -> None:
    windows = lay_out(25, WindowOptions(8), reference=12)
    spans = [(min(window), max(window)) for window in windows]
    assert spans == [(11, 18), (17, 24), (5, 12), (0, 7)]
    assert [window[0] for window in windows] == [12, 18, 11, 5]


def test_one_window_is_the_plain_order() -> None:
    assert lay_out(8, WindowOptions(8)) == (tuple(range(8)),)
    assert lay_out(4, WindowOptions(8), reference=2) == ((2, 0, 1, 3),)


@pytest.mark.parametrize(
    ("views", "overlap", "shared"), [(2, None, 1), (3, None, 2), (8, None, 2), (40, None, 10)]
)
def test_a_quarter_is_shared(views: int, overlap: int | None, shared: int) -> None:
    assert WindowOptions(views, overlap).shared == shared


@pytest.mark.parametrize(
    ("views", "overlap", "message"),
    [
        (1, None, "a window must hold at least 2 views, .* got 1"),
        (-3, None, "got -3"),
        (8, 0, "windows of 8 views can share 1 to 7 .* got an overlap of 0"),
        (8, 8, "an overlap of 8"),
    ],
)
def test_windows_that_cannot_be_joined_are_refused(
    views: int, overlap: int | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        WindowOptions(views, overlap)
