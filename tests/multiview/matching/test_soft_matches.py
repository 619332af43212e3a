"""Matches of many views: some at a time, and no more kept than are needed."""

import pytest
import torch
import torch.nn.functional as F

from glance3d.multiview.matching import soft_matches
from glance3d.multiview.matching.soft_matches import find_matches


@pytest.mark.parametrize("views_at_a_time", [1, 3])
def test_parts_do_not_matter(views_at_a_time: int, monkeypatch: pytest.MonkeyPatch) -> None:
    grid, batch = (6, 8), 2
    generator = torch.Generator().manual_seed(0)
    descriptors = F.normalize(torch.randn(batch, 4, 48, 16, generator=generator), dim=-1)
    numbers = (torch.tensor(20.0), torch.tensor(10.0))
    whole = find_matches(descriptors, grid, *numbers)
    seen = []
    monkeypatch.setattr(soft_matches, "SCORES_AT_A_TIME", views_at_a_time * batch * 48**2)
    around = soft_matches.windowed_soft_argmax
    monkeypatch.setattr(
        soft_matches, "windowed_soft_argmax", lambda s, *a: seen.append(s.shape[1]) or around(s, *a)
    )
    parts = find_matches(descriptors, grid, *numbers)
    assert max(seen) == views_at_a_time
    for a, b in zip(parts, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_of_many_matches_the_surest_are_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    descriptors = F.normalize(torch.randn(1, 3, 48, 16, generator=generator), dim=-1)
    every = find_matches(descriptors, (6, 8), torch.tensor(20.0), torch.tensor(10.0))
    assert every.best(48) is every
    best = every.best(10)
    assert best.source_xy.shape == best.target_xy.shape == (1, 3, 3, 10, 2)
    sure = (every.window_probability * every.mutual).sort(-1, descending=True).values
    torch.testing.assert_close(
        best.window_probability * best.mutual, sure[..., :10], rtol=0, atol=0
    )
    for index in range(10):  # each is still one of the cells' matches, whole
        same = (every.source_xy == best.source_xy[..., index, None, :]).all(-1)
        assert (same.sum(-1) == 1).all()
        torch.testing.assert_close(
            every.target_xy[same], best.target_xy[..., index, :].flatten(0, 2)
        )
