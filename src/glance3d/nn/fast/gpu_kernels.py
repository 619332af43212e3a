"""Triton kernels; import them through :mod:`glance3d.nn.fast.gpu`, since not everybody has Triton.

Each reads its input once and writes its output once, and computes in float32 in between.
"""

import triton  # pyrefly: ignore[missing-import] (only PyTorch for GPUs brings it)
import triton.language as tl  # pyrefly: ignore[missing-import]


@triton.jit
def norm_kernel(
    x, weight, bias, out, row_stride, dim, eps, AFFINE: tl.constexpr, WIDTH: tl.constexpr
):
    """Layer norm of one row of ``dim`` numbers; ``WIDTH`` is the next power of two."""
    row = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, WIDTH)
    exists = channel < dim
    values = tl.load(x + row * row_stride + channel, mask=exists, other=0.0).to(tl.float32)
    centered = tl.where(exists, values - tl.sum(values, 0) / dim, 0.0)
    normed = centered * tl.rsqrt(tl.sum(centered * centered, 0) / dim + eps)
    if AFFINE:
        normed = normed * tl.load(weight + channel, mask=exists, other=0.0)
        normed += tl.load(bias + channel, mask=exists, other=0.0)
    tl.store(out + row * dim + channel, normed.to(out.dtype.element_ty), mask=exists)


@triton.jit
def norm_and_rotate_kernel(
    x,
    weight,
    bias,
    cos,
    sin,
    out,
    view_tokens,
    token_stride,
    head_stride,
    num_heads,
    dim,
    eps,
    NORM: tl.constexpr,
    HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """All heads of one token: layer norm of each head, then the rotation of its place.

    A rotated channel needs its partner, a quarter of the head away, which is read once more.
    ``HEADS`` and ``WIDTH`` are the next powers of two of ``num_heads`` and ``dim``.
    """
    token = tl.program_id(0).to(tl.int64)
    head, channel = tl.arange(0, HEADS)[:, None], tl.arange(0, WIDTH)[None, :]
    exists = (head < num_heads) & (channel < dim)
    half = dim // 2
    # In each half (y's, then x's) channel c turns together with the one a quarter of the head on,
    # cyclically.
    partner = channel // half * half + (channel % half + dim // 4) % half
    start = x + token * token_stride + head * head_stride
    first = tl.load(start + channel, mask=exists, other=0.0).to(tl.float32)
    second = tl.load(start + partner, mask=exists, other=0.0).to(tl.float32)
    known = channel < dim
    if NORM:
        mean = tl.sum(first, 1)[:, None] / dim
        centered = tl.where(exists, first - mean, 0.0)
        scale = tl.rsqrt(tl.sum(centered * centered, 1)[:, None] / dim + eps)
        first = centered * scale * tl.load(weight + channel, mask=known, other=0.0)
        first += tl.load(bias + channel, mask=known, other=0.0)
        # Mean and scale are of the whole head, so that the partner's are the same.
        second = (second - mean) * scale * tl.load(weight + partner, mask=known, other=0.0)
        second += tl.load(bias + partner, mask=known, other=0.0)
    # The table is one view's, row by row; tokens come view after view.
    place = token % view_tokens * dim
    rotated = first * tl.load(cos + place + channel, mask=known, other=0.0)
    rotated += second * tl.load(sin + place + channel, mask=known, other=0.0)
    to = out + token * num_heads * dim + head * dim + channel
    tl.store(to, rotated.to(out.dtype.element_ty), mask=exists)
