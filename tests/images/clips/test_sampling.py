"""The choice of frames, on numbers alone."""

import numpy as np
import pytest

from glance3d.errors import InputError
from glance3d.images import ClipSampling
from glance3d.images.clips.sampling import choose_frames


def choose(travel, sharpness=None, times=None, **sampling):
    travel = np.asarray(travel, float)
    sharpness = np.ones(len(travel)) if sharpness is None else np.asarray(sharpness, float)
    times = np.arange(len(travel)) / 30 if times is None else np.asarray(times, float)
    return choose_frames(times, sharpness, travel, ClipSampling(**sampling))


def test_a_still_beginning_gives_one_view():
    travel = np.concatenate([np.zeros(300), np.linspace(0, 1, 101)])
    chosen = choose(travel, views=11).frames
    assert len(chosen) == 11
    assert sum(frame < 300 for frame in chosen) == 1
    np.testing.assert_allclose(travel[list(chosen)], np.linspace(0, 1, 11), atol=0.036)


def test_a_sharp_neighbour_is_taken_for_a_blurred_frame():
    travel, sharpness = np.linspace(0, 1, 101), np.ones(101)
    sharpness[::2] = 0.3  # also at every ideal place
    chosen = choose(travel, sharpness, views=6).frames
    assert len(chosen) == 6
    assert all(frame % 2 for frame in chosen)
    spacing = np.diff(travel[list(chosen)])
    assert spacing.min() > 0.1


def test_hardly_sharper_is_not_worth_the_distance():
    travel, sharpness = np.linspace(0, 1, 101), np.ones(101)
    sharpness[::2] = 0.99
    chosen = choose(travel, sharpness, views=6).frames
    np.testing.assert_allclose(travel[list(chosen)], np.linspace(0, 1, 6), atol=0.021)


def test_by_default_a_new_view_every_eighth_within_bounds():
    assert len(choose(np.linspace(0, 2, 500)).frames) == 17
    assert len(choose(np.linspace(0, 0.5, 500)).frames) == 8
    assert len(choose(np.linspace(0, 20, 500)).frames) == 32
    assert len(choose(np.linspace(0, 0.031, 500)).frames) == 4  # no more differ
    assert len(choose(np.zeros(500)).frames) == 1


def test_more_views_than_differ_are_not_made_up():
    choice = choose(np.linspace(0, 0.031, 50), views=20)
    assert len(choice.frames) == 4
    assert "20 were asked for, but no more differ" in choice.why


def test_what_a_jump_leaves_empty_is_filled_from_both_sides_of_it():
    travel = np.concatenate([np.linspace(0, 0.2, 20), np.linspace(0.8, 1.0, 20)])
    sharpness = np.ones(40)
    sharpness[19:21] = 0.2  # at both edges of the jump
    chosen = choose(travel, sharpness, views=11).frames
    assert len(set(chosen)) == len(chosen) == 11
    assert (np.diff(travel[list(chosen)]) > 0.019).all()
    assert not {19, 20} & set(chosen)


def test_every_frame_of_a_slide_show_is_found_and_its_sharp_copy():
    travel = np.repeat(np.arange(12) * 0.25, 3)
    sharpness = np.tile([0.1, 1.0, 0.3], 12)
    assert choose(travel, sharpness, views=12).frames == tuple(range(1, 36, 3))
    assert choose(travel, sharpness).frames == tuple(range(1, 36, 3))


def test_fps_counts_time_and_not_frames():
    # 30 frames in the first second, 3 in the next two.
    times = np.concatenate([np.arange(30) / 30, [1.2, 1.9, 2.4]])
    chosen = choose(np.linspace(0, 1, 33), times=times, fps=1.0).frames
    assert [int(times[frame]) for frame in chosen] == [0, 1, 2]


def test_fps_leaves_out_what_stands_still():
    travel = np.concatenate([np.zeros(60), np.linspace(0.05, 1, 60)])
    choice = choose(travel, fps=2.0)
    assert sum(frame < 60 for frame in choice.frames) == 1
    assert len(choice.frames) == 5
    assert "without 3 in which nothing moves" in choice.why


@pytest.mark.parametrize("sampling", [{}, {"views": 3}, {"fps": 5.0}])
def test_a_single_frame_is_a_clip_too(sampling):
    assert choose([0.0], **sampling).frames == (0,)


@pytest.mark.parametrize(
    "wrong",
    [{"fps": 1.0, "views": 3}, {"fps": 0.0}, {"fps": -1.0}, {"views": 0}, {"fps": float("nan")}],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(InputError):
        ClipSampling(**wrong)
