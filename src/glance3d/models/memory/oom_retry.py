"""When memory runs out after all: the same again in smaller chunks."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from glance3d.nn.chunks import SMALLEST_SCALE, smaller_chunks
from glance3d.out_of_memory import is_out_of_memory

R = TypeVar("R")
_LOG = logging.getLogger("glance3d")


def retry_with_smaller_chunks(run: Callable[[], R], scale: float = 1.0) -> R:
    """``run()`` with chunks at ``scale``, and at half of it as often as memory runs out.

    The error is raised when chunks cannot become smaller.
    """
    while True:
        try:
            with smaller_chunks(scale):
                return run()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or scale <= SMALLEST_SCALE:
                raise
        scale /= 2
        _LOG.warning("memory ran out: once more, with chunks at 1/%d", round(1 / scale))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
