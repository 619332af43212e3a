"""Tables that depend on sizes only (angles, position codes) are made once and kept."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import torch

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
