"""What is counted of a GPU's memory agrees with what an allocator gave, and with the plan."""

from dataclasses import replace

import torch
from benchmarks.cases import CASES
from benchmarks.gpu_memory import LiveBytes, MetaAutocast, count_case, gpu_attention, plan_case
from benchmarks.meta_gpu import meta_gpu
from torch.profiler import ProfilerActivity, profile

from glance3d.models import build_model
from glance3d.models.config import (
    AggregatorConfig,
    CameraHeadConfig,
    DPTHeadConfig,
    VGGTConfig,
    VitEmbedConfig,
    tiny,
)
from glance3d.models.memory.plan import MARGIN, PROGRAM_BYTES

#: As wide as vggt-1b, with fewer layers: to count is slow.
LAYERS = DPTHeadConfig(layers=(0, 2, 4, 5))
SHORT = VGGTConfig(
    name="short",
    patch_embed=VitEmbedConfig(depth=1),
    aggregator=AggregatorConfig(depth=6),
    camera=CameraHeadConfig(trunk_depth=1, num_iterations=1),
    depth=LAYERS,
    points=LAYERS,
    tracks=None,
)
OURS, TWIN = CASES["bf16"], CASES["twin-bf16"]


def test_counts_what_is_alive_and_not_more() -> None:
    with LiveBytes() as counted:
        x = torch.empty(1024, 256, device="meta")
        view = x[:512]
        y = x + 1
        assert counted.held == 2 * 1024 * 256 * 4
        del x
        assert counted.held == 2 * 1024 * 256 * 4
        del view
        assert counted.held == 1024 * 256 * 4
        del y
        torch.empty(1, device="meta")
    assert counted.held == 0
    assert counted.peak == 2 * 1024 * 256 * 4


def test_the_count_is_what_the_allocator_of_a_processor_gave() -> None:
    model = build_model(replace(tiny(), tracks=None)).eval().requires_grad_(False)
    images = torch.rand(3, 3, 140, 140)
    with torch.inference_mode():
        model(images)
        with LiveBytes() as counted:
            model(images)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            model(images)
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    known = sum(p.numel() * p.element_size() for p in (*model.parameters(), images))
    assert 0.95 < (counted.peak - known) / peak < 1.05


def test_the_plan_for_a_gpu_and_the_published_design_beside_the_count() -> None:
    few, many, size = 2, 12, (518, 336)
    counted = {
        views: count_case(OURS, SHORT, views, size) + PROGRAM_BYTES["cuda"] for views in (few, many)
    }
    for views, counts in counted.items():
        planned = plan_case(OURS, SHORT, views, size).peak
        assert abs(planned / counts - 1) < MARGIN
    twin = count_case(TWIN, SHORT, many, size) + PROGRAM_BYTES["cuda"]
    assert counted[many] < 0.5 * twin


def test_attention_keeps_no_scores() -> None:
    q = torch.empty(1, 16, 4096, 64, device="meta", dtype=torch.bfloat16)
    with meta_gpu(), gpu_attention(), LiveBytes() as counted:
        torch.nn.functional.scaled_dot_product_attention(q, q, q)
    assert counted.peak < 2.1 * q.nbytes


def test_autocast_is_played_as_it_is() -> None:
    x, weight = torch.randn(2, 4), torch.randn(3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        expected = torch.nn.functional.linear(x, weight)
    with MetaAutocast():
        output = torch.nn.functional.linear(x, weight)
    assert output.dtype == expected.dtype == torch.bfloat16
    assert torch.equal(output, expected)
