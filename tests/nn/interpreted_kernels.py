"""The GPU's fused kernels, run by Triton's interpreter, give what the plain steps give.

``test_fused_gpu.py`` runs this in a process whose environment has ``TRITON_INTERPRET=1``.
"""

from types import ModuleType

import pytest
import torch
import torch.nn.functional as F

from glance3d.models import build_model
from glance3d.models.config import tiny
from glance3d.models.zoo import set_precision
from glance3d.nn.fast import gpu as fused_gpu
from glance3d.nn.fast import gpu_kernels
from glance3d.nn.rope import apply_rope, build_rope_table
from tests.golden_weights import fill_with_golden_weights

CPU = torch.device("cpu")


@pytest.mark.parametrize("dim", [64, 384, 1000])
@pytest.mark.parametrize("affine", [True, False])
def test_norm(dim: int, affine: bool) -> None:
    x = 3 * torch.randn(2, 5, dim) + 1
    weight, bias = (torch.randn(dim), torch.randn(dim)) if affine else (None, None)
    exact = F.layer_norm(x, (dim,), weight, bias, 1e-5)
    normed = fused_gpu.norm(gpu_kernels, x, weight, bias, 1e-5, torch.float32)
    torch.testing.assert_close(normed, exact, rtol=1e-5, atol=1e-5)
    rounded = fused_gpu.norm(gpu_kernels, x, weight, bias, 1e-5, torch.bfloat16)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize(("heads", "dim"), [(16, 64), (3, 64), (4, 16), (2, 24)])
def test_norm_and_rotate(heads: int, dim: int, normed: bool) -> None:
    grid, special, views = (2, 3), 2, 3
    table = build_rope_table(grid, special, dim, 100.0, CPU)
    tokens = views * len(table.cos)
    x = torch.randn(tokens, 3, heads, dim)[:, 1]  # as queries and keys lie: with values between
    norm = (torch.randn(dim), torch.randn(dim), 1e-5) if normed else None
    wide = (table.wide_cos, table.wide_sin)
    rotated = fused_gpu.norm_and_rotate(gpu_kernels, x, norm, wide)
    exact = x if norm is None else F.layer_norm(x, (dim,), *norm)
    exact = apply_rope(exact.transpose(0, 1)[None], table)[0].transpose(0, 1)
    torch.testing.assert_close(rotated, exact, rtol=1e-5, atol=1e-5)
    assert rotated.is_contiguous()
    rounded = fused_gpu.norm_and_rotate(gpu_kernels, x.bfloat16(), norm, wide)
    plain = fused_gpu.plain_norm_and_rotate(x.bfloat16(), norm, wide)
    torch.testing.assert_close(rounded, plain, rtol=1e-2, atol=1e-2)


def test_the_trial_of_a_device_finds_them_right() -> None:
    trial = fused_gpu.trial(CPU, 10)
    for given, plain in zip(trial["triton"](), trial["plain"](), strict=True):
        torch.testing.assert_close(given, plain, rtol=2e-2, atol=2e-2)


def test_the_network_says_the_same_by_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(tiny()).eval().requires_grad_(False)
    fill_with_golden_weights(model)
    set_precision(model, torch.bfloat16)
    images = torch.rand(2, 3, 28, 42, generator=torch.Generator().manual_seed(0))
    calls = []

    def kernels_for(device: torch.device) -> ModuleType:
        calls.append(device)
        return gpu_kernels

    with torch.inference_mode():
        plain = model(images)
        monkeypatch.setattr(fused_gpu, "kernels_for", kernels_for)
        fused = model(images)
    blocks = 3 + 2 * 4  # of the embedding without, of the pairs with rotation
    assert len(calls) >= 2 * blocks + 2 * 2 * 4
    for name in ("pose_enc", "depth", "points_world"):
        a, b = getattr(fused, name), getattr(plain, name)
        assert (a - b).abs().max() < 2e-2 * b.abs().max(), name
