"""The name of PyTorch's attention kernel, since memory and speed depend on it.

On a GPU PyTorch chooses among its fused kernels, which keep no scores. If none suits, it computes
all scores without a warning, and memory grows with the square of the tokens.
"""

import torch
from torch.nn.attention import SDPBackend

from glance3d.nn.fast.cpu import attends_in_blocks

IN_BLOCKS, PLAIN, UNKNOWN = "in blocks", "plain products", "unknown"
_NAMES = {
    SDPBackend.FLASH_ATTENTION: "flash",
    SDPBackend.EFFICIENT_ATTENTION: "memory-efficient",
    SDPBackend.CUDNN_ATTENTION: "cuDNN",
    SDPBackend.MATH: PLAIN,
}
_TOKENS = 1024  # a long sequence


def attention_backend(device: torch.device, dtype: torch.dtype, head_dim: int) -> str:
    """What :func:`glance3d.nn.attention.attend` runs while predicting, for the tokens of a view.

    "in blocks" is our own (:mod:`glance3d.nn.fast.cpu`), where a trial chose it; "flash",
    "memory-efficient" and "cuDNN" are PyTorch's fused kernels, "plain products" its last resort.
    "unknown" where PyTorch does not say.
    """
    if device.type == "cpu" and attends_in_blocks(_TOKENS, _TOKENS, head_dim, dtype):
        return IN_BLOCKS
    if device.type not in ("cpu", "cuda"):
        return UNKNOWN
    heads = torch.empty(1, 1, _TOKENS, head_dim, dtype=dtype, device=device)
    try:
        return _NAMES.get(SDPBackend(torch._fused_sdp_choice(heads, heads, heads)), UNKNOWN)
    except (AttributeError, RuntimeError, NotImplementedError):  # it is no public function
        return UNKNOWN
