"""Tables that depend on sizes only (angles, position codes) are made once and kept."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def cached_table(make: Callable[P, R]) -> Callable[P, R]:
    """Keep the last 64 results of a function of sizes and a device.

    The table is made outside inference mode, so that one cached while predicting can later take
    part in training.
    """

    @functools.lru_cache(maxsize=64)
    @functools.wraps(make)
    def cached(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.inference_mode(False), torch.no_grad():
            return make(*args, **kwargs)

    return cast(Callable[P, R], cached)


@cached_table
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Numbers of the program as float32 on a device: copied once, since each copy waits for it."""
    return torch.tensor(values, dtype=torch.float32, device=device)
