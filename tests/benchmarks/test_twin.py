"""What the benchmarks compare with gives the same numbers, or a ratio would mean nothing."""

import pytest
import torch
from benchmarks.twin import Twin

from glance3d.models import build_model
from glance3d.models.config import tiny
from tests.golden_weights import fill_with_golden_weights


@pytest.mark.parametrize("size", [(70, 70), (42, 84)], ids=["stored-grid", "resampled-grid"])
def test_the_twin_says_the_same(size) -> None:
    model = build_model(tiny()).eval().requires_grad_(False)
    fill_with_golden_weights(model)
    twin = Twin(model.config).eval().requires_grad_(False)
    state = {n: t for n, t in model.state_dict().items() if not n.startswith("track_head")}
    twin.load_state_dict(state)
    images = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0))
    ours = model(images).as_dict()
    for name, theirs in twin(images).items():
        worst = (ours[name] - theirs).abs().max() / theirs.abs().max()
        assert worst < 1e-5, f"{name}: {worst:.1e} of the largest value"
