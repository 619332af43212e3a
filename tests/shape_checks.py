"""Shapes and types of arguments are checked in tests: of the first calls of a function in a test.

A pytest plugin, given before jaxtyping's own. Checks of every call took a third of all tests'
time; a function that is called a thousand times in one test is given the same kinds of things, so
its first calls are checked, then one in a hundred.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jaxtyping

CHECKED_CALLS, CHECKED_SHARE = 4, 100

_all_checked = jaxtyping.jaxtyped
_test = [0]


def pytest_runtest_setup() -> None:
    """Every test checks the first calls anew."""
    _test[0] += 1


def jaxtyped(fn: Any = None, *, typechecker: Any) -> Any:
    """As ``jaxtyping.jaxtyped``, for some calls of a function and for all of a class."""
    if fn is None:
        return functools.partial(jaxtyped, typechecker=typechecker)
    check_all = functools.partial(_all_checked, typechecker=typechecker)
    return _sometimes(fn, check_all) if inspect.isfunction(fn) else check_all(fn)


def _sometimes(fn: Callable, check_all: Callable) -> Callable:
    """Checks are made when a function is first called: most are called by no test of a worker."""
    import torch

    test, calls, checked = 0, 0, None

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal test, calls, checked
        if torch.compiler.is_compiling():
            return fn(*args, **kwargs)
        if test != _test[0]:
            test, calls = _test[0], 0
        calls += 1
        if calls > CHECKED_CALLS and calls % CHECKED_SHARE:
            return fn(*args, **kwargs)
        checked = checked or check_all(fn)
        return checked(*args, **kwargs)

    return wrapped


jaxtyping.jaxtyped = jaxtyped
