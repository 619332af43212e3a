"""Patches are found again, with the affine change between the photos."""

import torch
from torch import Tensor

from glance3d.refinement.tracks.patch_alignment import Warps, align, correlate, cut_templates

RADIUS = 7


def hills(x: Tensor, y: Tensor) -> Tensor:
    """A smooth picture of no period at any place."""
    waves = (0.9 * x).sin() * (0.43 * y).cos() + (0.31 * x + 0.57 * y).sin()
    return 0.5 + 0.15 * (waves + (0.77 * y - 0.2 * x).cos())


def picture(linear: Tensor, shift: Tensor) -> Tensor:
    """The hills as seen by a photo whose pixel ``linear`` x + ``shift`` shows them at x."""
    y, x = torch.meshgrid(torch.arange(80) + 0.5, torch.arange(90) + 0.5, indexing="ij")
    at = (torch.stack([x, y], -1) - shift) @ torch.linalg.inv(linear).T
    return hills(*at.unbind(-1))


def test_an_affine_change_is_found() -> None:
    linear, shift = torch.tensor([[1.1, 0.1], [-0.07, 0.95]]), torch.tensor([3.0, -2.0])
    middles = torch.tensor([[30.2, 31.7], [50.0, 40.5], [41.3, 55.1]])
    templates = cut_templates(picture(torch.eye(2), torch.zeros(2)), middles, RADIUS)
    true = middles @ linear.T + shift
    other = 0.6 * picture(linear, shift) + 0.1
    start = Warps(torch.eye(2).repeat(3, 1, 1), true + torch.tensor([0.9, -0.8]))
    found = align(templates, other, start, affine=True, iterations=20)
    assert torch.allclose(found.warps.middle, true, atol=0.05)
    assert torch.allclose(found.warps.linear, linear.expand(3, 2, 2), atol=0.03)
    assert (found.correlation > 0.99).all()
    assert (found.correlation > correlate(templates, other, start)).all()
    assert (found.deviation < 0.05).all()


def test_along_a_stripe_a_place_is_uncertain() -> None:
    y = torch.arange(80)[:, None] + 0.5
    stripe = (0.5 + 0.2 * (0.6 * y).sin()).expand(80, 90).contiguous()
    noise = 0.01 * torch.randn(2, 80, 90, generator=torch.Generator().manual_seed(0))
    middles = torch.tensor([[40.0, 40.0]])
    templates = cut_templates(stripe + noise[0], middles, RADIUS)
    start = Warps(torch.eye(2)[None], middles)
    found = align(templates, stripe + noise[1], start, affine=False, iterations=5)
    assert (found.deviation > 0.15).all()
