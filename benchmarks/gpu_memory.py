"""Memory of a forward on a GPU, counted and not measured: no GPU is needed.

    python -m benchmarks.gpu_memory --views 1 10 100 500

The forward runs on shapes alone (:mod:`benchmarks.meta_gpu`), and the bytes of all tensors that are
alive are added up. Some memory of a real GPU is not counted: PyTorch itself and its kernels' code,
workspaces of kernels (mostly of convolutions), and what the allocator loses between tensors.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from benchmarks.cases import CASES, Case
from benchmarks.meta_gpu import build_on_meta, meta_gpu
from benchmarks.twin import Twin
from glance3d.models.config import OUTPUTS, VGGTConfig
from glance3d.models.memory.live_bytes import LiveBytes
from glance3d.models.memory.plan import PROGRAM_BYTES, MemoryPlan, plan_memory
from glance3d.models.weights.cards import CARDS
from glance3d.models.zoo import PRECISIONS
from glance3d.multiview.reconcile import reconcile

_LARGEST_POSITION = 37  # the twin asks the device for it, for the length of a small table


class MetaAutocast(TorchFunctionMode):
    """What autocast to bfloat16 does on a GPU, for the functions that the twin uses."""

    LOWER = ("conv2d", "linear", "scaled_dot_product_attention")
    HIGHER = ("layer_norm",)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in self.LOWER + self.HIGHER:
            dtype = torch.bfloat16 if name in self.LOWER else torch.float32

            def cast(x: Any) -> Any:
                return x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x

            args = tuple(map(cast, args))
            kwargs = {key: cast(value) for key, value in kwargs.items()}
        return func(*args, **kwargs)


@contextmanager
def gpu_attention() -> Iterator[None]:
    """Attention by the GPU's fused kernels, which keep no scores."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if q.dtype == torch.float32:
            return torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, None, False)[0]
        return torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)[0]

    attend.__name__ = "scaled_dot_product_attention"
    with mock.patch.object(F, "scaled_dot_product_attention", attend):
        yield


def count_forward(run: Callable[[Tensor], object], network: nn.Module, images: Tensor) -> int:
    """Bytes at the peak of ``run(images)``, its weights and what it returns included."""
    largest_position = mock.patch.object(Tensor, "__int__", return_value=_LARGEST_POSITION)
    with meta_gpu(MetaAutocast()), gpu_attention(), largest_position:
        counted = LiveBytes()
        for tensor in (images, *network.parameters()):
            counted.know(tensor)
        with counted:
            run(images)
    return counted.peak


def count_case(case: Case, config: VGGTConfig, views: int, size: tuple[int, int]) -> int:
    """Bytes at the peak of one way of computing, for photos of ``size`` (width, height)."""
    images = torch.empty(views, 3, size[1], size[0], device="meta")
    if case.is_twin:
        with torch.device("meta"):
            twin = Twin(config).eval().requires_grad_(False)
        return count_forward(lambda x: twin(x, bfloat16=case.precision == "bfloat16"), twin, images)
    network = build_on_meta(config, PRECISIONS[case.precision])

    def run(x: Tensor) -> object:
        return reconcile(network(x, outputs=case.outputs, attention=case.attention))

    return count_forward(run, network, images)


def plan_case(case: Case, config: VGGTConfig, views: int, size: tuple[int, int]) -> MemoryPlan:
    """Bytes that the library's own plan predicts for it."""
    network = build_on_meta(config, PRECISIONS[case.precision])
    outputs = tuple(output for output in OUTPUTS if output in case.outputs)
    return plan_memory(network, views, (size[1], size[0]), outputs, torch.device("cuda"))


def main() -> None:
    """Count, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="vggt-1b", choices=CARDS)
    parser.add_argument("--views", type=int, nargs="+", default=[1, 10, 100, 500])
    parser.add_argument("--size", type=int, nargs=2, default=(518, 336), metavar=("W", "H"))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["twin-bf16", "bf16"])
    options = parser.parse_args()
    size = (options.size[0], options.size[1])
    config = CARDS[options.model].build_config()
    print(f"{options.model}, {size[0]} x {size[1]}, on a GPU, counted, not measured: bytes of live")
    print(f"tensors and {PROGRAM_BYTES['cuda'] / 1e9:.1f} GB for PyTorch and its kernels\n")
    print("| | views | counted GB | of the first | planned GB | planned / counted |")
    print("| --- | --- | --- | --- | --- | --- |")
    first: dict[int, int] = {}
    for key in options.cases:
        for views in options.views:
            case = CASES[key]
            counted = PROGRAM_BYTES["cuda"] + count_case(case, config, views, size)
            share = counted / first.setdefault(views, counted)
            line = f"| {case.title} | {views} | {counted / 1e9:.2f} | {share:.2f} |"
            if not case.is_twin:
                planned = plan_case(case, config, views, size).peak
                line += f" {planned / 1e9:.2f} | {planned / counted:.2f} |"
            print(line, flush=True)


if __name__ == "__main__":
    main()
