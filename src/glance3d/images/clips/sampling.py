"""Choose frames of a clip: sharp ones with enough motion between them.

Works on numbers alone: the time of each frame, its sharpness, and the image motion up to it (see
:mod:`glance3d.images.clips.motion`), in lengths of the image's longer side.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from glance3d.errors import InputError

# By default a new view whenever the image has moved by an eighth: neighbours share most of their
# content, and views three apart still half of it.
DEFAULT_STEP = 0.125
FEWEST_BY_DEFAULT, MOST_BY_DEFAULT = 8, 32
# Frames closer than this show the same, up to noise and compression.
_SAME_VIEW = 0.01
# A frame this share of a step away from the ideal place may still be taken for its sharpness ...
_REACH = 0.35
# ... which must then be better by so much (natural logarithm) as at the ideal place.
_COST_OF_DISTANCE = 0.15


@dataclass(frozen=True)
class ClipSampling:
    """How many frames of every clip become views.

    ``fps``: one for every 1 / fps seconds in which the camera moves. ``views``: at most so many,
    evenly spread over the way that the picture travels. Neither: a new view whenever an eighth of
    the picture has moved on, at least 8 (if so many differ) and at most 32 a clip.

    Raises:
        InputError: both are given, or one is not positive.
    """

    fps: float | None = None
    views: int | None = None

    def __post_init__(self) -> None:
        """Refuse contradictions and values outside their ranges."""
        if self.fps is not None and self.views is not None:
            raise InputError("got both fps and views: choose one way to sample clips")
        if self.fps is not None and not 0 < self.fps < 1e4:
            raise InputError(f"fps must be positive, got {self.fps:g}: give 2 or 0.5, for example")
        if self.views is not None and self.views < 1:
            raise InputError(f"views must be at least 1 frame of a clip, got {self.views}")


@dataclass(frozen=True)
class Choice:
    """The chosen frames, ascending, and the reason for the choice in words."""

    frames: tuple[int, ...]
    why: str


def choose_frames(
    times: Float[np.ndarray, " frames"],
    sharpness: Float[np.ndarray, " frames"],
    travel: Float[np.ndarray, " frames"],
    sampling: ClipSampling,
) -> Choice:
    """The frames to use; ``times`` and ``travel`` ascend, and there is at least one frame.

    Frames without motion between them become one view, with any sampling. Among neighbours the
    sharpest is taken; sharpness is only compared between neighbours, because it depends on the
    image content.
    """
    if sampling.fps is not None:
        return _by_time(times, sharpness, travel, sampling.fps)
    total = float(travel[-1] - travel[0])
    num_different = min(int(total / _SAME_VIEW) + 1, len(times))
    by_step = round(total / DEFAULT_STEP) + 1
    num_wanted = sampling.views or min(max(by_step, FEWEST_BY_DEFAULT), MOST_BY_DEFAULT)
    wanted = min(num_wanted, num_different)
    chosen = _spread(sharpness, travel, wanted)
    if sampling.views:  # where the picture jumps, even spacing leaves places empty
        chosen = _filled_up(chosen, sharpness, travel, wanted)
    step = total / max(wanted - 1, 1)
    why = f"a new view whenever {step:.0%} of the picture has moved on, the sharpest near there"
    if len(chosen) == 1:
        why = "the sharpest"
    if sampling.views and len(chosen) < sampling.views:
        why += f"; {sampling.views} were asked for, but no more differ"
    return Choice(chosen, why)


def _spread(
    sharpness: Float[np.ndarray, " frames"], travel: Float[np.ndarray, " frames"], wanted: int
) -> tuple[int, ...]:
    """Frames evenly spaced by motion, including both ends."""
    if wanted == 1:
        return (int(sharpness.argmax()),)
    targets = np.linspace(travel[0], travel[-1], wanted)
    step = float(targets[1] - targets[0])
    chosen: list[int] = []
    for target in targets:
        distance = np.abs(travel - target) / step
        near = (distance <= _REACH).nonzero()[0]
        if not len(near):  # a jump over this place: its edge, unless that is another place's own
            near = (distance <= min(distance.min() + 0.1, 0.5)).nonzero()[0]
        if len(near):
            best = _best(near, sharpness, distance / _REACH)
            chosen += [best] if best not in chosen else []
    return tuple(sorted(chosen))


def _filled_up(
    chosen: tuple[int, ...],
    sharpness: Float[np.ndarray, " frames"],
    travel: Float[np.ndarray, " frames"],
    wanted: int,
) -> tuple[int, ...]:
    """More frames, those that differ most from the chosen ones, as long as any differs."""
    frames = list(chosen)
    while len(frames) < wanted:
        away = np.abs(travel[:, None] - travel[frames]).min(1)
        if away.max() < _SAME_VIEW:
            break
        candidates = (away >= max(0.7 * away.max(), _SAME_VIEW)).nonzero()[0]
        frames.append(_best(candidates, sharpness, np.zeros(len(travel))))
    return tuple(sorted(frames))


def _by_time(
    times: Float[np.ndarray, " frames"],
    sharpness: Float[np.ndarray, " frames"],
    travel: Float[np.ndarray, " frames"],
    fps: float,
) -> Choice:
    """The sharpest of every 1 / fps seconds, without repeating what stands still."""
    position = (times - times[0]) * fps
    slots = position.astype(np.int64)
    chosen: list[int] = []
    for slot in np.unique(slots):
        members = (slots == slot).nonzero()[0]
        if chosen:
            members = members[travel[members] - travel[chosen[-1]] >= _SAME_VIEW]
        if not len(members):
            continue
        distance = np.abs(position - slot - 0.5) / _REACH
        central = members[distance[members] <= 1]
        chosen.append(_best(central if len(central) else members, sharpness, distance))
    num_still = len(np.unique(slots)) - len(chosen)
    why = f"the sharpest of every {1 / fps:g} s"
    if num_still:
        why += f", without {num_still} in which nothing moves"
    return Choice(tuple(chosen), why)


def _best(
    candidates: np.ndarray,
    sharpness: Float[np.ndarray, " frames"],
    distance: Float[np.ndarray, " frames"],
) -> int:
    """The candidate that is sharp and near its place; the earliest of equals."""
    sharp = np.log(np.maximum(sharpness[candidates], 1e-12))
    return int(candidates[(sharp - _COST_OF_DISTANCE * distance[candidates] ** 2).argmax()])
