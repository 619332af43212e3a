"""The kernel that is named is the one that runs, and what it is given suits a GPU's best ones."""

from contextlib import AbstractContextManager
from dataclasses import replace
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from benchmarks.meta_gpu import build_on_meta, meta_gpu
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from glance3d.models import build_model, zoo
from glance3d.models.config import AggregatorConfig, VGGTConfig, VitEmbedConfig, tiny
from glance3d.nn.attention import attend
from glance3d.nn.chunks import smaller_chunks
from glance3d.nn.fast import attention_backend as named
from glance3d.nn.fast import paths as fast_paths
from glance3d.nn.fast.attention_backend import attention_backend
from glance3d.reporting.making import describe_attention
from glance3d.reporting.warnings import attention_warnings

CPU = torch.device("cpu")


def operators_of_attention() -> set[str]:
    q = torch.randn(1, 2, 1024, 16)
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU]) as profiled:
        attend(q, q, q)
    return {event.key for event in profiled.key_averages()}


def decided(attention: str) -> AbstractContextManager[fast_paths.FastPaths]:
    return fast_paths.using(fast_paths.FastPaths(decided={"attention": attention}))


def test_what_is_named_is_what_runs() -> None:
    with decided("plain"):
        assert attention_backend(CPU, torch.float32, 16) == "flash"
        assert "aten::_scaled_dot_product_flash_attention_for_cpu" in operators_of_attention()
        with sdpa_kernel(SDPBackend.MATH):
            assert attention_backend(CPU, torch.float32, 16) == named.PLAIN
            assert "aten::_scaled_dot_product_attention_math" in operators_of_attention()


def test_blocks_are_named_and_run() -> None:
    with decided("blocks"):
        assert attention_backend(CPU, torch.float32, 16) == named.IN_BLOCKS
        assert not {key for key in operators_of_attention() if "scaled_dot_product" in key}


def test_says_so_where_pytorch_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "_fused_sdp_choice")
    with decided("plain"):
        assert attention_backend(CPU, torch.float32, 16) == named.UNKNOWN
        assert attention_backend(torch.device("meta"), torch.float32, 16) == named.UNKNOWN


def test_plain_products_on_a_gpu_are_not_taken_silently() -> None:
    described = describe_attention(build_model(tiny()), "full")
    assert described["backend"] in {named.IN_BLOCKS, "flash"}
    slow = {**described, "backend": named.PLAIN}
    (warning,) = attention_warnings(slow, torch.device("cuda"))
    assert "square" in warning
    assert attention_warnings(slow, CPU) == []
    assert attention_warnings(described, torch.device("cuda")) == []


def test_emulated_bfloat16_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "LARGE_NETWORK", 0)
    cuda, model = torch.device("cuda"), build_on_meta(tiny())
    for has_units, expected in ((False, torch.float32), (True, torch.bfloat16)):

        def supported(including_emulation: bool = True, has: bool = has_units) -> bool:
            return has or including_emulation

        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        assert zoo._resolve_precision("auto", cuda, model) == expected


@pytest.mark.parametrize("scale", [1.0, 1 / 16], ids=["whole", "in-chunks"])
def test_every_long_attention_suits_flash(scale: float) -> None:
    """Half precision, heads of a multiple of 8 up to 256 side by side, no mask and no dropout."""
    config = VGGTConfig(
        name="wide",
        patch_embed=VitEmbedConfig(depth=1),
        aggregator=AggregatorConfig(depth=1),
        camera=None,
        depth=replace(VGGTConfig("other").depth, layers=(0, 0, 0, 0)),
        points=None,
        tracks=None,
    )
    network = build_on_meta(config, torch.bfloat16)
    seen: list[tuple[Tensor, ...]] = []

    def record(*given: Tensor, **options: object) -> Tensor:
        assert options == {}
        seen.append(given)
        return torch.empty_like(given[0])

    recording = mock.patch.object(F, "scaled_dot_product_attention", record)
    with meta_gpu(), recording, smaller_chunks(scale):
        network(torch.empty(12, 3, 224, 224, device="meta"), attention="thin")
    lengths = {given[0].shape[-2] for given in seen}
    assert {1 + 4 + 256, 12 * (1 + 4 + 256)} <= lengths
    for given in seen:
        assert len(given) == 3
        for heads in given:
            assert heads.dtype == torch.bfloat16
            assert heads.shape[-1] == 64
            assert heads.stride(-1) == 1
            assert all(stride % 8 == 0 for stride in heads.stride()[:-1])
