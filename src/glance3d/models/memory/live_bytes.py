"""Memory of any computation, counted while it runs: on shapes alone, where nothing is computed."""

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ROUNDING = 512  # the allocator of a GPU gives no less, and multiples of it


class LiveBytes(TorchDispatchMode):
    """Adds up the storages that operators make, for as long as each lives; ``peak`` is the most."""

    def __init__(self, held: int = 0) -> None:
        super().__init__()
        self.held = self.peak = held
        self._known: set[int] = set()

    def know(self, tensor: Tensor) -> None:
        """Count the tensor's storage from now on, if it is not counted yet."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        size = -(-storage.nbytes() // _ROUNDING) * _ROUNDING
        self._known.add(key)
        weakref.finalize(storage, self._forget, key, size)
        self.held += size
        self.peak = max(self.peak, self.held)

    def _forget(self, key: int, size: int) -> None:
        self._known.remove(key)
        self.held -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for given in tree_leaves((args, kwargs)):
            if isinstance(given, Tensor):
                self.know(given)
        made = func(*args, **(kwargs or {}))
        for part in tree_leaves(made):
            if isinstance(part, Tensor):
                self.know(part)
        return made
