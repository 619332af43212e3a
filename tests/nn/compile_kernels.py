"""Compile the GPU's fused kernels for several generations, which needs no GPU: prints sizes.

``test_fused_gpu.py`` runs this in a process of its own, where Triton is not interpreted.
"""

from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from glance3d.nn.fast import gpu_kernels

NORM: dict[str, Any] = dict.fromkeys(("weight", "bias"), "*fp32")
NORM |= {"x": "*fp32", "out": "*bf16", "row_stride": "i32", "dim": "i32", "eps": "fp32"}
ROTATE: dict[str, Any] = dict.fromkeys(("weight", "bias", "cos", "sin"), "*fp32")
ROTATE |= dict.fromkeys(("view_tokens", "token_stride", "head_stride", "num_heads", "dim"), "i32")
ROTATE |= {"x": "*bf16", "out": "*bf16", "eps": "fp32"}
KERNELS = (
    (gpu_kernels.norm_kernel, NORM, {"AFFINE": True, "WIDTH": 1024}),
    (gpu_kernels.norm_and_rotate_kernel, ROTATE, {"NORM": True, "HEADS": 16, "WIDTH": 64}),
)

for architecture in (80, 90):
    for kernel, types, constants in KERNELS:
        signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
        source = ASTSource(kernel, signature, constants)
        made = triton.compile(source, target=GPUTarget("cuda", architecture, 32))
        print(architecture, kernel.__name__, len(made.asm["cubin"]))
