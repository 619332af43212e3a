"""How much is worked on at a time, where the numbers do not depend on it.

What is in flight then stays in a processor's cache, and on a GPU is little beside what must be
kept. Where memory is short, :func:`smaller_chunks` makes everything smaller by a factor.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch.utils.checkpoint import checkpoint

CPU_TOKENS, GPU_TOKENS = 1024, 32768
CPU_PIXELS, GPU_PIXELS = 200_000, 800_000  # of full-size maps, at least one view's
CPU_CACHE_NUMBERS = 2**19  # float32 numbers between two steps of a chain of elementwise ones
SMALLEST_SCALE = 1 / 16

_scale: ContextVar[float] = ContextVar("chunk_scale", default=1.0)
_recomputes: ContextVar[bool] = ContextVar("recomputes", default=False)

Result = TypeVar("Result")


def chunk_tokens(device: torch.device) -> int:
    """Tokens at a time."""
    return max(1, int(_scale.get() * (CPU_TOKENS if device.type == "cpu" else GPU_TOKENS)))


def num_chunks(tokens: int, chunk: int) -> int:
    """Into how many chunks of one size tokens are cut: a tenth too many is no reason for another.

    A product of half a chunk is slower, since it packs its weight for half as many tokens.
    """
    return math.ceil(tokens / (chunk * 1.1))


def chunk_views(image_size: tuple[int, int], device: torch.device) -> int:
    """Views at a time, where each has maps as large as the image, (height, width)."""
    pixels = _scale.get() * (CPU_PIXELS if device.type == "cpu" else GPU_PIXELS)
    return max(1, int(pixels) // (image_size[0] * image_size[1]))


def cached_slices(
    rows: int, numbers: int, device: torch.device, limit: int | None = None
) -> list[slice]:
    """Slices of rows of so many float32 numbers each, which a processor's cache holds.

    ``limit``: how many numbers a slice may have. On other devices one slice of all rows.
    """
    step = max(1, (limit or CPU_CACHE_NUMBERS) // numbers) if device.type == "cpu" else rows
    return [slice(start, start + step) for start in range(0, rows, step)]


@contextmanager
def smaller_chunks(factor: float) -> Iterator[None]:
    """Chunks are smaller by this factor inside."""
    before = _scale.set(_scale.get() * factor)
    try:
        yield
    finally:
        _scale.reset(before)


@contextmanager
def recomputing(active: bool = True) -> Iterator[None]:
    """Inside, training keeps what goes into blocks and heads, and not what is made within them.

    That is made again for the gradients: a third more time, and a small part of the memory (Chen et
    al. 2016, arXiv 1604.06174). The numbers are the same.
    """
    before = _recomputes.set(active)
    try:
        yield
    finally:
        _recomputes.reset(before)


def recomputes() -> bool:
    """Whether gradients are asked for, and what they need is to be made again."""
    return _recomputes.get() and torch.is_grad_enabled()


def run_recomputed(function: Callable[..., Result], *inputs: Any) -> Result:
    """The function's result, of which nothing within is kept for the gradients."""
    return checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
