"""Observations come to where photos show the same, and stay where photos do not say."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from glance3d.refinement.tracks.moves import move_observations
from tests.refinement.rendered import Room, arc, photograph
from tests.refinement.tracks.drawn_tracks import (
    MAX_ERROR,
    DrawnTracks,
    room_with_noise,
)


def moves_of(drawn: DrawnTracks) -> tuple[Tensor, Tensor]:
    pixels, moved = move_observations(drawn.observations, drawn.pyramid, MAX_ERROR)
    assert torch.equal(pixels[~moved], drawn.observations.pixels[~moved])
    assert not (moved & ~drawn.others()).any()
    return pixels, moved


def test_observations_with_errors_come_back_to_a_tenth_of_a_pixel() -> None:
    drawn = room_with_noise()
    pixels, moved = moves_of(drawn)
    before, after = drawn.errors(drawn.observations.pixels)[moved], drawn.errors(pixels)[moved]
    assert before.median() > 0.9
    assert moved.sum() > 0.8 * drawn.others().sum()
    assert after.median() < 0.06
    assert after.quantile(0.7) < 0.1
    # The rest are at edges of boxes, where no plane is seen.
    assert after.quantile(0.95) < 0.5


def test_brightness_and_contrast_of_a_photo_do_not_matter() -> None:
    drawn = room_with_noise()
    darker = (0.5 * drawn.photos[1].astype(float) + 20).round().astype(np.uint8)
    photos = (drawn.photos[0], darker, *drawn.photos[2:])
    pixels, moved = moves_of(replace(drawn, photos=photos))
    assert drawn.errors(pixels)[moved].median() < 0.06


def test_nothing_moves_where_nothing_is_to_be_seen() -> None:
    drawn = room_with_noise()
    plain = np.asarray(photograph(Room(plain=True), arc(4)[0]))
    drawn = replace(drawn, photos=(plain,) * 4)
    _, moved = moves_of(drawn)
    assert not moved.any()


def test_observations_on_what_hides_the_point_stay() -> None:
    drawn = room_with_noise()
    hidden = 2
    other = np.asarray(photograph(Room(seed=5), arc(4)[hidden]))
    photos = (*drawn.photos[:hidden], other, *drawn.photos[hidden + 1 :])
    _, moved = moves_of(replace(drawn, photos=photos))
    observations = drawn.observations
    references = observations.views[~drawn.others()][observations.points]
    wrong = ((observations.views == hidden) | (references == hidden)) & drawn.others()
    assert moved[wrong].double().mean() < 0.02
    assert moved[~wrong & drawn.others()].double().mean() > 0.8


def test_where_texture_repeats_nothing_moves_to_a_wrong_place() -> None:
    # One picture of dots, ten pixels apart, seen twice with a shift of the camera along x.
    period = 10.0
    y, x = np.mgrid[0:300, 0:400] + 0.5
    dots = 128 + 60 * np.cos(2 * np.pi * x / period) * np.cos(2 * np.pi * y / period)
    photo = dots.round().astype(np.uint8)[..., None].repeat(3, -1)
    flat = _on_a_wall(replace(room_with_noise(), photos=(photo, photo)))
    for wrong in (1.5, period / 2, period):
        shift = torch.where(flat.others()[:, None], torch.tensor([wrong, 0.0]).double(), 0.0)
        pixels, moved = moves_of(flat.with_pixels(flat.true + shift))
        assert (flat.errors(pixels)[moved] < 0.1).all()
        assert moved.any()


def _on_a_wall(drawn: DrawnTracks) -> DrawnTracks:
    """Points of a wall 10 away, and two cameras that stand so that it is seen one period apart."""
    observations = drawn.observations
    focal, depth, period = float(observations.intrinsics[0, 0, 0]), 10.0, 10.0
    poses = torch.eye(4)[:3].double().repeat(2, 1, 1)
    poses[1, 0, 3] = period * depth / focal
    x, y = torch.meshgrid(torch.arange(40.0, 350, 37), torch.arange(40.0, 260, 37), indexing="ij")
    first = torch.stack([x, y], -1).flatten(0, 1).double()
    rays = torch.cat([first, torch.ones(len(first), 1).double()], -1)
    positions = depth * rays @ torch.linalg.inv(observations.intrinsics[0]).T
    true = torch.stack([first, first + torch.tensor([period, 0.0])], 1).flatten(0, 1)
    views = torch.tensor([0, 1]).repeat(len(first))
    points = torch.arange(len(first)).repeat_interleave(2)
    on_wall = observations._replace(
        images=views,
        features=torch.arange(len(views)),
        points=points,
        views=views,
        pixels=true,
        positions=positions,
        poses=poses,
        intrinsics=observations.intrinsics[:2],
        radial=observations.radial[:2],
    )
    return DrawnTracks(on_wall, true, drawn.photos)


def test_points_are_moved_in_parts_as_all_at_once(monkeypatch) -> None:
    drawn = room_with_noise()
    pixels, moved = moves_of(drawn)
    monkeypatch.setattr("glance3d.refinement.tracks.moves._POINTS_AT_ONCE", 40)
    monkeypatch.setattr("glance3d.refinement.tracks.moves._ROWS_AT_ONCE", 16)
    in_parts, also = moves_of(drawn)
    assert torch.equal(moved, also)
    assert torch.allclose(pixels, in_parts, atol=1e-3)
