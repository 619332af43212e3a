import pytest
import torch

from glance3d.models import build_model
from glance3d.models.config import tiny
from glance3d.training.attention_matching import (
    attention_loss,
    capture_inputs,
    first_head_scores,
)


def test_the_scores_are_those_the_attention_uses():
    torch.manual_seed(0)
    model = build_model(tiny())
    attention = model.aggregator.global_blocks[1].attn
    with capture_inputs([attention]) as captured:
        model.aggregator(torch.rand(1, 2, 3, 28, 42))
    (module, x, rope) = captured[0]
    queries, keys = first_head_scores(module, x, rope)
    # Give every token's value in the first head its own number, and read the attention off.
    width = x.shape[-1] // attention.num_heads
    values = torch.eye(x.shape[1])[:, :width]
    expected = (queries[0] @ keys[0].T).softmax(-1) @ values
    found = attention_of_first_head(attention, x, rope, values)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert not attention._forward_pre_hooks


def attention_of_first_head(attention, x, rope, values):
    """Run the module itself, its value projection replaced by given values of the first head."""

    def replace_values(module, inputs, qkv):
        width = values.shape[1]
        dim = x.shape[-1]
        qkv = qkv.clone()
        qkv[0, :, 2 * dim : 2 * dim + width] = values
        return qkv

    def keep_first_head(module, inputs, out):
        width = values.shape[1]
        return torch.nn.functional.pad(inputs[0][..., :width], (0, out.shape[-1] - width))

    hooks = [
        attention.qkv.register_forward_hook(replace_values),
        attention.proj.register_forward_hook(keep_first_head),
    ]
    try:
        return attention(x, rope)[0, :, : values.shape[1]]
    finally:
        for hook in hooks:
            hook.remove()


def perfect_case(strength: float):
    """Two views of 2 x 2 patches and one special token each; points sit on patch centres."""
    code = strength * torch.eye(4)
    special = torch.zeros(1, 4)
    one_view = torch.cat([special, code])
    queries = torch.cat([one_view, one_view])[None]
    # In the second view the patches show the points in reverse order.
    reverse = torch.cat([special, code.flip(0)])
    keys = torch.cat([torch.zeros(5, 4), reverse])[None]
    corners = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    tracks = torch.stack([corners, corners.flip(0)])[None]
    return queries, keys, tracks


def test_attention_on_the_truth_costs_nothing():
    queries, keys, tracks = perfect_case(10.0)
    only_from_first = torch.ones(1, 2, 4, dtype=torch.bool)
    losses = attention_loss(queries, keys, (2, 2), tracks, only_from_first)
    # Points of view 0 look right; those of view 1 find no such keys in view 0.
    assert 0.49 < float(losses["attention_share"]) < 0.51


def test_even_attention_costs_the_logarithm_of_the_tokens():
    queries, keys, tracks = perfect_case(0.0)
    seen = torch.ones(1, 2, 4, dtype=torch.bool)
    losses = attention_loss(queries, keys, (2, 2), tracks, seen)
    assert float(losses["attention"]) == pytest.approx(float(torch.tensor(10.0).log()), rel=1e-5)


def test_points_seen_once_do_not_count():
    queries, keys, tracks = perfect_case(0.0)
    queries.requires_grad_()
    seen = torch.tensor([[[True] * 4, [False] * 4]])
    losses = attention_loss(queries, keys, (2, 2), tracks, seen)
    losses["attention"].backward()
    assert float(losses["attention"].detach()) == 0
    assert queries.grad.isfinite().all()
