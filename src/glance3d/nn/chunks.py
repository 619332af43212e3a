"""How much is worked on at a time, where the numbers do not depend on it.

What is in flight then stays in a processor's cache, and on a GPU is little beside what must be
kept. Where memory is short, :func:`smaller_chunks` makes everything smaller by a factor.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

CPU_TOKENS, GPU_TOKENS = 2048, 32768
CPU_PIXELS, GPU_PIXELS = 200_000, 800_000  # of full-size maps, at least one view's
SMALLEST_SCALE = 1 / 16

_scale: ContextVar[float] = ContextVar("chunk_scale", default=1.0)


def chunk_tokens(device: torch.device) -> int:
    """Tokens at a time."""
    return max(1, int(_scale.get() * (CPU_TOKENS if device.type == "cpu" else GPU_TOKENS)))


def chunk_views(image_size: tuple[int, int], device: torch.device) -> int:
    """Views at a time, where each has maps as large as the image, (height, width)."""
    pixels = _scale.get() * (CPU_PIXELS if device.type == "cpu" else GPU_PIXELS)
    return max(1, int(pixels) // (image_size[0] * image_size[1]))


@contextmanager
def smaller_chunks(factor: float) -> Iterator[None]:
    """Chunks are smaller by this factor inside."""
    before = _scale.set(_scale.get() * factor)
    try:
        yield
    finally:
        _scale.reset(before)
