"""The memory plan of a rank."""

from pathlib import Path

import pytest
import torch

from glance3d.cli import main
from glance3d.distributed import Group, Launch
from glance3d.models import Network
from glance3d.models.memory import plan as plans
from glance3d.models.memory.plan import MemoryPlan, plan_memory
from glance3d.models.zoo import outline_model

CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def large() -> Network:
    return outline_model("vggt-1b", device="cpu", precision="bfloat16")


def plan(network: Network, views: int, ranks: int, keys: str = "auto") -> MemoryPlan:
    group = Group(Launch(0, ranks, 0, ranks), keys=keys)
    return plan_memory(network, views, (392, 518), ("camera", "depth"), CUDA, group=group)


def test_ranks_share_views_and_a_ring_shares_keys(
    large: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, shared = plan(large, 400, 1), plan(large, 400, 8)
    ring = plan(large, 400, 8, "ring")
    views_alone, views_shared, views_of_ring = (
        p.pass_peak - p.program - p.weights - p.workspace for p in (alone, shared, ring)
    )
    assert views_alone > 1.5 * views_shared > 2 * views_of_ring
    assert not shared.by_ring
    assert ring.by_ring
    between = (shared.pass_peak + ring.pass_peak) // 2
    monkeypatch.setattr(plans, "available_memory", lambda _: between)
    chosen = plan(large, 400, 8)
    assert chosen.by_ring
    assert chosen.fits
    assert not plan(large, 400, 8, "gathered").fits
    assert not plan(large, 400, 1).fits
    # Processes of one machine share its memory.
    group = Group(Launch(0, 4, 0, 4))
    cpu = plan_memory(large, 4, (392, 518), ("camera",), torch.device("cpu"), group=group)
    assert cpu.available == between // 4


def test_a_plan_for_ranks_that_are_not_there(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reconstruct", str(photos), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*words, "--model", "vggt-1b", "--plan", "--ranks", "2"]) == 0
    assert "of each of 2 ranks, keys and values gathered" in capsys.readouterr().out
    assert main([*words, "--ranks", "2"]) == 2
    assert "torchrun --nproc-per-node 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
