"""Golden numbers of Depth Anything 3 (tests/golden/da3/README.md)."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parents[2] / "golden" / "da3"


def load_golden(name: str) -> dict[str, Tensor]:
    """The arrays of one file."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def assert_close(value: Tensor, golden: Tensor, tolerance: float) -> None:
    """The largest difference, as a share of the largest value."""
    assert value.shape == golden.shape
    error = float((value - golden).abs().max() / golden.abs().max())
    assert error < tolerance, f"{error:.2e} of the largest value"
