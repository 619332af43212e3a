"""Prediction takes shortcuts that training does not: the numbers are the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from glance3d.errors import InputError
from glance3d.models import OUTPUTS, VGGT, build_model
from glance3d.models.config import tiny
from glance3d.models.sparse_keys import kept_keys, thinning_stride
from glance3d.nn import chunks
from glance3d.nn.fast import cpu as fast_cpu
from glance3d.nn.precision import set_matmul_precision
from glance3d.nn.uv_embedding import add_convolved_uv_code_, add_uv_embedding
from tests.golden_weights import fill_with_golden_weights

QUERIES = torch.tensor([[10.0, 20.0], [33.5, 41.0]])


@pytest.fixture(scope="module")
def model() -> VGGT:
    model = build_model(tiny()).eval().requires_grad_(False)
    fill_with_golden_weights(model)
    return model


def needs_blocks_in(dtype: torch.dtype) -> None:
    """Skip where oneDNN cannot multiply in it: there blocks raise, and their trial says so."""
    x = torch.ones(1, 1, 1, 16, dtype=dtype)
    try:
        fast_cpu.attend_in_blocks(x, x, x)
    except RuntimeError as error:
        pytest.skip(f"attention in blocks does not run in {dtype} here: {error}")


def random_scene(views: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.rand(views, 3, 56, 70, generator=torch.Generator().manual_seed(seed))


def worst_difference(a, b) -> float:
    return max(
        float((a[name] - b[name]).abs().max() / b[name].abs().max())
        for name in b
        if name != "pose_enc_list"
    )


def test_predicting_says_what_training_says(model: VGGT) -> None:
    with torch.enable_grad():
        trained = model(random_scene(), QUERIES).as_dict()
    with torch.inference_mode():
        predicted = model(random_scene(), QUERIES).as_dict()
    assert worst_difference(predicted, trained) < 1e-5


@pytest.mark.parametrize("tokens", [1, 30, 60])
def test_chunks_do_not_matter(model: VGGT, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.inference_mode():
        whole = model(random_scene(4), QUERIES).as_dict()
        monkeypatch.setattr(chunks, "CPU_TOKENS", tokens)
        monkeypatch.setattr(chunks, "CPU_PIXELS", 1)
        monkeypatch.setattr("glance3d.models.head_inputs.VIEWS_PER_CHUNK", 1)
        chunked = model(random_scene(4), QUERIES).as_dict()
    assert worst_difference(chunked, whole) < 1e-5


def test_layers_read_one_by_one_are_the_layers_kept_whole(model: VGGT) -> None:
    with torch.inference_mode():
        images = random_scene()
        tokens = model.encode(images[None], (0, 1, 2, 3))
        apart = model.decode(tokens, images[None], OUTPUTS, QUERIES[None]).as_dict()
        at_once = model(images, QUERIES).as_dict()
    assert worst_difference(at_once, apart) < 1e-5


def test_the_images_are_left_alone(model: VGGT) -> None:
    images = random_scene()
    before = images.clone()
    with torch.inference_mode():
        model(images, QUERIES)
    assert torch.equal(images, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_in_blocks(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_blocks_in(dtype)
    monkeypatch.setattr(
        fast_cpu, "SCORE_BYTES", dtype.itemsize * 90 * 70
    )  # 70 queries a block, not all
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, n, 16, generator=generator) for n in (150, 90, 90))
    exact = F.scaled_dot_product_attention((3 * q).to(dtype), k.to(dtype), v.to(dtype))
    attended = fast_cpu.attend_in_blocks((3 * q).to(dtype), k.to(dtype), v.to(dtype))
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    assert (attended.float() - exact.float()).abs().max() < tolerance * exact.float().abs().max()


@pytest.mark.parametrize("offset", [0.0, 50.0, -60.0, 200.0])
def test_attention_whose_exponentials_would_not_fit(offset: float) -> None:
    """All scores of every third query are moved by the same offset, which softmax does not see."""
    needs_blocks_in(torch.bfloat16)
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 300, 64, generator=generator) for _ in range(3))
    k[..., 0] = 8.0  # what a query has here, it adds to all of its scores
    q[..., 0] = 0.0
    q[:, :, ::3, 0] = offset
    q, k, v = (x.bfloat16() for x in (q, k, v))
    exact = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    attended = fast_cpu.attend_in_blocks(q, k, v).double()
    assert (attended - exact).norm() < 0.005 * exact.norm()


def test_attention_says_when_it_cannot_know() -> None:
    needs_blocks_in(torch.bfloat16)
    q, k, v = torch.randn(3, 1, 1, 300, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    q[0, 0, 7, 3] = torch.nan
    attended = fast_cpu.attend_in_blocks(q, k, v)
    assert attended[0, 0, 7].isnan().all()
    assert attended[0, 0, :7].isfinite().all()
    assert attended[0, 0, 8:].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_by_the_cache_are_all_rows(
    model: VGGT, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_model(tiny()).eval().requires_grad_(False)
    network.load_state_dict(model.state_dict())
    for part in (network.aggregator, network.depth_head.features, network.point_head.features):
        set_matmul_precision(part, dtype)
    with torch.inference_mode():
        whole = network(random_scene()).as_dict()
        monkeypatch.setattr(chunks, "CPU_CACHE_NUMBERS", 3 * 7 * 64)
        monkeypatch.setattr("glance3d.models.heads.dpt.STRIP_NUMBERS", 3 * 32 * 70 * 5)
        by_rows = network(random_scene()).as_dict()
    assert worst_difference(by_rows, whole) < 1e-5


def test_linear_with_gelu() -> None:
    x, layer = torch.randn(2, 5, 8), nn.Linear(8, 12)
    expected = F.gelu(layer(x))
    with torch.no_grad():
        product = fast_cpu.linear(x, layer.weight, layer.bias, gelu=True)
    torch.testing.assert_close(product, expected, rtol=0, atol=1e-6)


def test_the_codes_convolution_from_three_rows_and_columns() -> None:
    maps, weight = torch.randn(2, 16, 9, 13), torch.randn(5, 16, 3, 3)
    whole = F.conv2d(add_uv_embedding(maps, 1.4), weight, padding=1)
    encoded = add_convolved_uv_code_(F.conv2d(maps, weight, padding=1), weight, 1.4, scale=0.1)
    torch.testing.assert_close(encoded, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


def test_bfloat16_says_nearly_the_same(model: VGGT) -> None:
    fast = build_model(tiny()).eval().requires_grad_(False)
    fast.load_state_dict(model.state_dict())
    for part in (fast.aggregator, fast.depth_head.features, fast.point_head.features):
        set_matmul_precision(part, torch.bfloat16)
    with torch.inference_mode():
        exact, predicted = model(random_scene()).as_dict(), fast(random_scene()).as_dict()
    for name in ("depth", "depth_conf", "world_points", "world_points_conf"):
        pair = torch.stack([exact[name].flatten(), predicted[name].flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.998, name
    turned = (
        F.normalize(exact["pose_enc"][..., 3:7], dim=-1)
        * F.normalize(predicted["pose_enc"][..., 3:7], dim=-1)
    ).sum(-1)
    assert torch.rad2deg(2 * torch.acos(turned.abs().clamp(max=1))).max() < 2


def test_thin_attention_keeps_what_it_promises() -> None:
    views, grid, special = 32, (4, 6), 5
    per_view = special + 24
    device = torch.device("cpu")
    kept = kept_keys("thin", 0, 24, views, grid, special, device)
    assert kept is not None
    in_view, place = kept // per_view, kept % per_view
    assert (in_view == 0).sum() == per_view
    assert all((place[in_view == view] < special).sum() == special for view in range(views))
    assert len(kept.unique()) == len(kept) < 0.5 * views * per_view
    assert kept_keys("thin", 12, 24, views, grid, special, device) is None
    assert kept_keys("full", 0, 24, views, grid, special, device) is None
    assert (thinning_stride(8), thinning_stride(1000)) == (1, 4)


def test_thin_attention_is_exact_for_few_views_and_near_for_more(model: VGGT) -> None:
    with torch.inference_mode():
        few = random_scene(8)
        assert torch.equal(model(few, attention="thin").pose_enc, model(few).pose_enc)
        many = random_scene(9)
        assert not torch.equal(model(many, attention="thin").depth, model(many).depth)
    with pytest.raises(InputError, match="choose from full, thin, near"):
        model(few, attention="sparse")
    with torch.enable_grad(), pytest.raises(InputError, match="prediction only"):
        model(few, attention="thin")
