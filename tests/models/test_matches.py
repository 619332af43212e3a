"""Matches of many views: some at a time, and no more kept than is needed."""

import pytest
import torch
import torch.nn.functional as F

from glance3d.models.config import CorrespondenceConfig
from glance3d.models.correspondence import CorrespondenceLayer, matches
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


def test_what_is_not_needed_any_more_is_not_kept() -> None:
    """A view of a tensor, even of nothing, keeps all of it."""
    config = CorrespondenceConfig(descriptor_dim=8, hidden_dim=8, pair_dim=8, num_pools=1)
    layer = CorrespondenceLayer(config, dim=16, map_channels=6)
    tokens, maps = torch.randn(1, 3, 1 + 6, 16), torch.randn(1, 3, 6, 4, 6)
    with torch.no_grad():
        _, found = layer(tokens, maps, 1, torch.rand(1, 3, 3, 64, 96))
    assert found is not None
    assert found.relations.cells.untyped_storage().nbytes() == 0
