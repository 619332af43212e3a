"""A simulated GPU: the memory and waits of the forward on a GPU, measured on a processor.

PyTorch's meta device has shapes and no numbers, and is not the processor, so that the network runs
as on a GPU: with its chunks, its attention, its copies. An operation that needs a number from the
device fails there, as it makes the host wait on a GPU (``torch.cuda.set_sync_debug_mode``).
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from glance3d.models import VGGT, build_model
from glance3d.models.config import VGGTConfig
from glance3d.models.zoo import set_precision
from glance3d.nn import tables

#: Operators that read numbers of the device: for a size, a choice, or an error.
_LOOKING = (
    "_linalg_check_errors",
    "_linalg_eigh",
    "_linalg_svd",
    "_local_scalar_dense",
    "_unique2",
    "equal",
    "linalg_lstsq",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
)
#: Functions that create a tensor, perhaps from numbers of the host.
_FROM_LISTS = ("as_tensor", "asarray", "tensor")
#: Operators that copy even a single number, where others pass it as an argument.
_COPYING = ("_to_copy", "copy_", "index", "index_put_", "where")


class HostWaitError(AssertionError):
    """The host would have waited for its GPU."""


def build_on_meta(config: VGGTConfig, dtype: torch.dtype = torch.float32) -> VGGT:
    """A network of shapes, ready to predict, its large products at ``dtype``."""
    network = build_model(config, "meta")
    set_precision(network, dtype)
    return network.eval().requires_grad_(False)


@contextmanager
def meta_gpu(autocast: TorchFunctionMode | None = None) -> Iterator[None]:
    """Predict on the meta device, which autocast does not support.

    ``autocast`` does instead what ``torch.autocast`` does where it is enabled.
    """

    def entered(_device: str, *_: Any, enabled: bool = True) -> Any:
        return autocast if enabled and autocast is not None else nullcontext()

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(torch, "autocast", entered))
        stack.enter_context(mock.patch.object(torch, "is_autocast_enabled", return_value=False))
        stack.enter_context(torch.no_grad())
        yield


@contextmanager
def no_host_waits(*, but_for_tables: bool = False) -> Iterator[None]:
    """Inside :func:`meta_gpu`: raise where the host of a GPU would have to wait for it.

    It waits where it needs a number from the device, and where it hands memory of its own over
    without ``non_blocking``. Tables that are made once and kept (:mod:`glance3d.nn.tables`) may be
    let do so.

    Raises:
        HostWaitError: names the operator.
    """

    def refuse(what: str) -> None:
        if not (but_for_tables and _is_making_a_table()):
            raise HostWaitError(what)

    with _Lists(refuse), _Operators(refuse):
        yield


def _is_making_a_table() -> bool:
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename != tables.__file__:
        frame = frame.f_back
    return frame is not None


class _Lists(TorchFunctionMode):
    """Functions that create tensors from lists, or index by lists: these are no operators."""

    def __init__(self, refuse: Callable[[str], None]) -> None:
        super().__init__()
        self.refuse = refuse

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "")
        if name in ("__getitem__", "__setitem__"):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(part, list) for part in index) and _on_device(args[0]):
                self.refuse("an index that is a list is copied to the device")
        elif _takes_numbers(name, args) and _on_device(made):
            self.refuse(f"{name} copies numbers of the host to the device")
        return made


def _takes_numbers(name: str, args: Any) -> bool:
    return name == "new_tensor" or (name in _FROM_LISTS and not isinstance(args[0], Tensor))


class _Operators(TorchDispatchMode):
    """Operators that look at numbers, and copies between host and device."""

    def __init__(self, refuse: Callable[[str], None]) -> None:
        super().__init__()
        self.refuse = refuse

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        given = [part for part in tree_leaves((args, kwargs)) if isinstance(part, Tensor)]
        if any(map(_on_device, given)) and name in _LOOKING:
            self.refuse(f"{name} waits for a number from the device")
        masked = any(part.dtype == torch.bool for part in given[1:])
        if name.startswith("index") and masked and _on_device(given[0]):
            self.refuse(f"{name} counts what a mask chooses")
        if _copies_and_waits(name, given, args, kwargs):
            self.refuse(f"{name} copies between host and device")
        return func(*args, **kwargs)


def _copies_and_waits(name: str, given: list[Tensor], args: Any, kwargs: Any) -> bool:
    devices = {_on_device(part) for part in given}
    if name == "_to_copy" and kwargs.get("device") is not None:
        devices.add(torch.device(kwargs["device"]).type != "cpu")
    if len(devices) < 2 or kwargs.get("non_blocking") or (name == "copy_" and True in args[2:]):
        return False
    return name in _COPYING or any(part.ndim and not _on_device(part) for part in given)


def _on_device(x: Tensor) -> bool:
    return x.device.type != "cpu"
