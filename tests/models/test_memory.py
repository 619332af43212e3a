"""The memory plan, and what happens when memory runs out."""

import pytest
import torch

from glance3d.models import VGGT, build_model
from glance3d.models.config import glance_small, tiny, vggt_1b
from glance3d.models.memory import available
from glance3d.models.memory import plan as memory_plan
from glance3d.models.memory.oom_retry import retry_with_smaller_chunks
from glance3d.models.memory.plan import plan_memory
from glance3d.nn.chunks import CPU_PIXELS, CPU_TOKENS, SMALLEST_SCALE, chunk_tokens, smaller_chunks
from glance3d.nn.patch_embed import ConvStem
from glance3d.nn.precision import set_matmul_precision

CPU = torch.device("cpu")
DENSE = ("camera", "depth", "points")


@pytest.fixture(scope="module")
def large() -> VGGT:
    network = build_model_on_meta()
    for part in (network.aggregator, network.depth_head.features, network.point_head.features):
        set_matmul_precision(part, torch.bfloat16)
    return network


def build_model_on_meta() -> VGGT:
    with torch.device("meta"):
        return VGGT(vggt_1b())


def test_a_view_of_vggt_takes_less_than_forty_megabytes(large: VGGT) -> None:
    plan = plan_memory(large, 4, (392, 518), DENSE, CPU)
    assert 15e6 < plan.per_view < 40e6
    assert plan.peak < 4.5e9
    more = plan_memory(large, 5, (392, 518), DENSE, CPU)
    assert more.peak - plan.peak == plan.per_view


def test_fewer_outputs_and_pixels_take_less(large: VGGT) -> None:
    whole = plan_memory(large, 10, (392, 518), DENSE, CPU)
    assert plan_memory(large, 10, (392, 518), ("camera",), CPU).peak < whole.peak
    assert plan_memory(large, 10, (196, 518), DENSE, CPU).peak < whole.peak


def test_weights_are_counted_as_they_are(large: VGGT) -> None:
    plan = plan_memory(large, 1, (392, 518), DENSE, CPU)
    used = (large.aggregator, large.camera_head, large.depth_head, large.point_head)
    counted = sum(p.numel() * p.element_size() for part in used for p in part.parameters())
    assert plan.weights == counted


def test_chunks_shrink_to_what_there_is(large: VGGT, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = plan_memory(large, 8, (70, 70), DENSE, CPU)
    smaller = usual.peak - 1_000_000
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: smaller)
    plan = plan_memory(large, 8, (70, 70), DENSE, CPU)
    assert plan.chunk_scale < 1
    assert plan.fits


def test_says_what_would_fit(large: VGGT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: 5_000_000_000)
    plan = plan_memory(large, 1000, (392, 518), DENSE, CPU)
    assert not plan.fits
    text = "\n".join(plan.lines())
    assert "does not fit" in text
    assert "at most" in text
    assert "fewer outputs" in text
    views = int(plan.advice().split("at most ")[1].split()[0])
    assert plan_memory(large, views, (392, 518), DENSE, CPU).fits


def test_names_a_window_that_fits(large: VGGT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: 6_500_000_000)
    plan = plan_memory(large, 200, (392, 518), DENSE, CPU)
    window = plan.window_that_fits
    assert window is not None
    assert f"--window {window}; approximate" in plan.advice()
    inside = plan_memory(large, 200, (392, 518), DENSE, CPU, window)
    assert inside.fits
    assert not plan_memory(large, 200, (392, 518), DENSE, CPU, window + 1).fits
    assert inside.lines()[0].startswith(f"200 views in windows of {window} of 518 x 392: ")
    assert "while it waits" in inside.lines()[1]
    # What waits grows with the number of views: by their pixels, and in a third of windows twice by
    # depth, points and confidences, unless these wait on the disk.
    more = plan_memory(large, 201, (392, 518), DENSE, CPU, window)
    assert more.pass_peak - inside.pass_peak == (3 + (2 + 4) * 4 * 4 // 3) * 392 * 518
    few, many = (
        plan_memory(large, n, (392, 518), DENSE, CPU, window, on_disk=True) for n in (200, 201)
    )
    assert many.pass_peak - few.pass_peak == 3 * 392 * 518


def test_pairs_of_views_are_counted_where_they_are_matched() -> None:
    with torch.device("meta"):
        small = VGGT(glance_small())
    few, more, many, most = (
        plan_memory(small, n, (128, 128), ("camera",), CPU) for n in (16, 32, 64, 128)
    )
    assert more.matches == 4 * few.matches > 0
    # Of many views pairs are chosen, and so are their numbers.
    assert 2 * many.matches < most.matches < 2.2 * many.matches
    assert more.peak - few.peak > more.matches - few.matches
    assert plan_memory(small, 64, (128, 128), ("camera",), CPU, 8).matches == few.matches / 4
    assert plan_memory(small, 1, (128, 128), ("camera",), CPU).matches == 0


def test_layers_that_are_kept_whole_are_counted() -> None:
    small = build_model(glance_small()).eval()
    outputs = ("camera", "depth", "tracks")
    streamed, kept = (
        plan_memory(small, 4, (64, 64), outputs, CPU, keeps_layers=keeps) for keeps in (False, True)
    )
    with torch.inference_mode():
        images = torch.rand(1, 4, 3, 64, 64)
        layers = small.encode(images, small.config.layers_needed(outputs)).layers.values()
    held = sum(layer.numel() * layer.element_size() for layer in layers)
    assert kept.pass_peak - streamed.pass_peak == held


def test_a_stem_works_some_views_at_a_time() -> None:
    torch.manual_seed(0)
    stem = ConvStem(16, 32, 8)
    images, seen = torch.rand(5, 3, 64, 96), []
    stem.stages[0].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))

    def parts() -> list[torch.Tensor]:
        tokens, maps = stem.with_maps(images)
        return [tokens, *maps]

    whole = [part.detach() for part in parts()]
    assert seen == [5]
    with torch.inference_mode(), smaller_chunks(2 * 64 * 96 / CPU_PIXELS):
        some = parts()
    assert seen == [5, 2, 2, 1]
    for a, b in zip(whole, some, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_no_window_where_none_would_help(large: VGGT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: 6_000_000_000)
    assert plan_memory(large, 10, (392, 518), DENSE, CPU).fits
    tracked = plan_memory(large, 200, (392, 518), (*DENSE, "tracks"), CPU)
    assert tracked.window_that_fits is None
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: 1_000_000_000)
    assert "window" not in plan_memory(large, 200, (392, 518), DENSE, CPU).advice()


def test_halves_the_chunks_until_it_fits() -> None:
    seen = []

    def run() -> str:
        seen.append(chunk_tokens(CPU))
        if seen[-1] > CPU_TOKENS / 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    assert retry_with_smaller_chunks(run) == "done"
    assert seen == [CPU_TOKENS, CPU_TOKENS // 2, CPU_TOKENS // 4]
    assert chunk_tokens(CPU) == CPU_TOKENS


def test_gives_up_when_chunks_cannot_shrink() -> None:
    seen = []

    def run() -> None:
        seen.append(chunk_tokens(CPU))
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(RuntimeError, match="allocate"):
        retry_with_smaller_chunks(run)
    assert seen[-1] == CPU_TOKENS * SMALLEST_SCALE


def test_other_errors_are_not_tried_again() -> None:
    seen = []

    def run() -> None:
        seen.append(1)
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        retry_with_smaller_chunks(run)
    assert seen == [1]


def test_less_memory_changes_no_number() -> None:
    torch.manual_seed(0)
    model = build_model(tiny()).eval()
    images = torch.rand(4, 3, 70, 70)
    tries = []

    def run():
        tries.append(1)
        if len(tries) < 3:
            raise MemoryError
        return model(images)

    with torch.inference_mode():
        usual, short = model(images), retry_with_smaller_chunks(run)
    torch.testing.assert_close(short.depth, usual.depth, rtol=1e-5, atol=1e-6)


def test_a_limit_of_the_shell_is_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = available.available_memory(CPU)
    monkeypatch.setattr(available, "address_space_limit", lambda: 10**15)
    assert available.available_memory(CPU) == pytest.approx(before, rel=0.2)
    monkeypatch.setattr(available, "address_space_limit", lambda: 2 * 10**9)
    assert available.available_memory(CPU) < 2 * 10**9
