"""Matches do not depend on how many of them are made at a time."""

import pytest
import torch
import torch.nn.functional as F

from glance3d.models.correspondence import matches
from glance3d.models.correspondence.matches import find_matches


@pytest.mark.parametrize("views_at_a_time", [1, 3])
def test_parts_do_not_matter(views_at_a_time: int, monkeypatch: pytest.MonkeyPatch) -> None:
    grid, batch = (6, 8), 2
    generator = torch.Generator().manual_seed(0)
    descriptors = F.normalize(torch.randn(batch, 4, 48, 16, generator=generator), dim=-1)
    numbers = (torch.tensor(20.0), torch.tensor(10.0))
    whole = find_matches(descriptors, grid, *numbers)
    seen = []
    monkeypatch.setattr(matches, "SCORES_AT_A_TIME", views_at_a_time * batch * 48**2)
    around = matches._around_best
    monkeypatch.setattr(
        matches, "_around_best", lambda s, *a: seen.append(s.shape[1]) or around(s, *a)
    )
    parts = find_matches(descriptors, grid, *numbers)
    assert max(seen) == views_at_a_time
    for a, b in zip(parts, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
