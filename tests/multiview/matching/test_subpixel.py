"""Matches to a fraction of a pixel."""

import pytest
import torch
import torch.nn.functional as F

from glance3d.multiview.matches import SoftMatches, cell_centers
from glance3d.multiview.matching.subpixel import refine_matches_subpixel
from glance3d.multiview.options import SubpixelOptions

CELL, GRID, OPTIONS = 8, (8, 8), SubpixelOptions()


def smooth_picture(seed: int = 0) -> torch.Tensor:
    """``[3, 160, 160]`` with structure of a few pixels."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 1, 54, 54, generator=generator)
    return F.interpolate(noise, size=(160, 160), mode="bicubic")[0].expand(3, -1, -1)


def shifted_views(dx: float, dy: float) -> torch.Tensor:
    """``[1, 2, 3, 64, 64]``: what is at (x, y) in the first is at (x, y) + (dx, dy) later."""
    picture = smooth_picture()
    steps = torch.arange(64.0) + 48
    views = []
    for x, y in ((0.0, 0.0), (dx, dy)):
        at = torch.stack(torch.meshgrid(steps - y, steps - x, indexing="ij")[::-1], -1)
        views.append(F.grid_sample(picture[None], at[None] / 159 * 2 - 1, align_corners=True)[0])
    return torch.stack(views)[None]


def coarse_matches(dx: float, dy: float) -> SoftMatches:
    """True places in cells plus (dx, dy), all of them sure."""
    source_xy = cell_centers(GRID, torch.device("cpu"))
    shift = torch.zeros(2, 2, 1, 2)
    shift[0, 1], shift[1, 0] = torch.tensor([dx, dy]), -torch.tensor([dx, dy])
    target_xy = (source_xy + shift)[None]
    sure = torch.ones(target_xy.shape[:-1])
    return SoftMatches(source_xy.expand_as(target_xy), target_xy, sure, sure)


@pytest.mark.parametrize("light", [(1.0, 0.0), (0.5, 0.3)])
def test_finds_a_shift_to_a_fraction_of_a_pixel(light: tuple[float, float]) -> None:
    views = shifted_views(2.3, -1.4)
    views[0, 1] = views[0, 1] * light[0] + light[1]  # another exposure
    matches = refine_matches_subpixel(coarse_matches(0.0, 0.0), views, GRID, 5, OPTIONS)
    own = matches.source_xy[0, 0, 1]
    inner = ((own > 0.9) & (own < 6.1)).all(-1)
    moved = (matches.target_xy[0, 0, 1] - own)[inner] * CELL
    error = (moved - torch.tensor([2.3, -1.4])).norm(dim=-1)
    assert float(error.median()) < 0.05
    assert float((error < 0.3).float().mean()) > 0.9
    assert float(matches.mutual[0, 0, 1][inner].median()) > 0.95


def test_exact_matches_stay_where_they_are() -> None:
    matches = refine_matches_subpixel(
        coarse_matches(2 / CELL, 0.0), shifted_views(2.0, 0.0), GRID, 5, OPTIONS
    )
    own = matches.source_xy[0, 0, 1]
    inner = ((own > 0.9) & (own < 6.1)).all(-1)
    moved = (matches.target_xy[0, 0, 1] - own)[inner] * CELL
    assert (moved - torch.tensor([2.0, 0.0])).norm(dim=-1).median() < 0.05


def test_what_looks_different_is_not_trusted_and_not_moved() -> None:
    views = shifted_views(0.0, 0.0)
    views[0, 1] = smooth_picture(seed=5)[:, :64, :64]
    before = coarse_matches(0.0, 0.0)
    after = refine_matches_subpixel(before, views, GRID, 5, OPTIONS)
    assert float(after.mutual[0, 0, 1].mean()) < 0.2
    assert float((after.target_xy - before.target_xy).norm(dim=-1).max()) <= 0.5 + 1e-5


def test_pictures_of_one_colour_are_finite() -> None:
    after = refine_matches_subpixel(
        coarse_matches(0.0, 0.0), torch.full((1, 2, 3, 64, 64), 0.5), GRID, 5, OPTIONS
    )
    assert after.target_xy.isfinite().all()
    assert float(after.mutual.max()) == 0.0
