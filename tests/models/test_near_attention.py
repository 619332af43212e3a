"""Attention to the views that are near: which these are, and what is made of their keys."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from glance3d.errors import InputError
from glance3d.models import build_model, sparse_keys
from glance3d.models.config import ModelConfig, da3_tiny, tiny
from glance3d.nn.attention import SelfAttention
from glance3d.nn.inference import attend_by_views


def random_scene(views: int) -> torch.Tensor:
    return torch.rand(views, 3, 56, 70, generator=torch.Generator().manual_seed(0))


def test_near_attention_is_exact_for_few_views_and_of_one_scene() -> None:
    model = build_model(tiny()).eval().requires_grad_(False)
    with torch.inference_mode():
        few = random_scene(3)
        assert torch.equal(model(few, attention="near").pose_enc, model(few).pose_enc)
        with pytest.raises(InputError, match="one scene at a time, got 2"):
            model(few.expand(2, -1, -1, -1, -1), attention="near")


@pytest.mark.parametrize("make", [tiny, da3_tiny])
def test_near_attention_of_all_views_is_exact_and_of_fewer_is_not(
    make: Callable[[], ModelConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_model(make()).eval().requires_grad_(False)
    scene = random_scene(5)
    shown = []
    with torch.inference_mode():
        full = network(scene, outputs=("depth",)).depth
        for number in (4, 3):
            monkeypatch.setattr(sparse_keys, "NEAR_VIEWS", number)
            shown.append(network(scene, outputs=("depth",), attention="near").depth)
    assert not torch.equal(shown[0], full)
    assert not torch.equal(shown[1], shown[0])


def test_near_keys_are_those_of_the_first_view_itself_and_the_most_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sparse_keys, "NEAR_VIEWS", 3)
    # Six views of three things, two each; two special tokens, two patches.
    things = torch.eye(8)[[0, 1, 2, 0, 1, 2]] + 0.01 * torch.arange(6)[:, None]
    tokens = things[None, :, None].expand(1, 6, 4, 8)
    keys = sparse_keys.near_keys(tokens, 2)
    assert keys is not None
    views = keys.unflatten(1, (3, 4))
    assert (views % 4 == torch.arange(4)).all()
    seen = (views[..., 0] // 4).tolist()
    assert all({0, view, (view + 3) % 6} <= set(of_view) for view, of_view in enumerate(seen))
    assert sparse_keys.near_keys(tokens[:, :3], 2) is None


def test_views_attend_to_their_own_rows_of_keys() -> None:
    attention = SelfAttention(8, 2)
    q, k, v = (torch.randn(1, 12, 2, 4) for _ in range(3))  # three views of four tokens
    keys = torch.tensor(
        [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 0, 1, 2, 3], [8, 9, 4, 5, 6, 7, 1, 2]]
    )
    sees = torch.zeros(3, 12, dtype=torch.bool).scatter_(1, keys, True)
    mask = sees.repeat_interleave(4, 0)
    with torch.inference_mode():
        found = attend_by_views(attention, q, k, v, keys)
        heads = (each.transpose(1, 2) for each in (q, k, v))
        expected = F.scaled_dot_product_attention(*heads, attn_mask=mask).transpose(1, 2)
    torch.testing.assert_close(found, expected.flatten(2), atol=1e-6, rtol=1e-5)
