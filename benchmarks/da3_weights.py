"""Files of weights as Depth Anything 3 is published: its names, shapes and header, other values.

    python -m benchmarks.da3_weights da3-small da3_small.safetensors

The values are the golden recipe's (tests/golden/da3/README.md), so that anyone can make the same
file. With the published sizes its length is that of the published file, to the byte. The header's
metadata names the one LayerNorm that is stored once and used at four levels.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tests.golden_weights import golden_tensor

from glance3d.files.atomic import atomic_file

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "da3"
SIZES = ("da3-small", "da3-base", "da3-tiny", "da3-tiny-odd")
SHARED_NORM = "model.head.scratch.output_conv2_aux.{level}.2.{leaf}"
METADATA = {
    SHARED_NORM.format(level=level, leaf=leaf): SHARED_NORM.format(level=0, leaf=leaf)
    for level in (1, 2, 3)
    for leaf in ("weight", "bias")
}


def published_shapes(size: str) -> dict[str, tuple[int, ...]]:
    """Published name -> shape of every tensor in the file of one of `SIZES`."""
    if size.startswith("da3-tiny"):
        manifest = json.loads((GOLDEN / "da3_tiny_manifest.json").read_text())
        shapes = manifest[size]["tensors"]
    else:
        shapes = json.loads((GOLDEN / f"checkpoint_{size.replace('-', '_')}.json").read_text())
    return {name: tuple(shape) for name, shape in shapes.items()}


def published_weights(size: str) -> dict[str, torch.Tensor]:
    """Published name -> float32 tensor of the golden recipe."""
    return {name: golden_tensor(name, shape) for name, shape in published_shapes(size).items()}


def write_published_file(size: str, path: Path) -> None:
    """Write ``model.safetensors`` of one of `SIZES` (small: 137 MB, base: 542 MB)."""
    with atomic_file(path) as temporary:
        save_file(published_weights(size), temporary, metadata=METADATA)


def main() -> None:
    """Write one file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    write_published_file(options.size, options.path)


if __name__ == "__main__":
    main()
