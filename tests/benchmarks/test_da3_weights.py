"""The files that stand in for the published ones have their layout, to the byte."""

import math

import torch
from benchmarks.da3_weights import METADATA, published_shapes, write_published_file
from safetensors import safe_open
from safetensors.torch import load_file, save


def test_as_long_as_the_published_file() -> None:
    zeros = {name: torch.zeros(shape) for name, shape in published_shapes("da3-small").items()}
    assert len(zeros) == 437
    assert len(save(zeros, METADATA)) == 137_248_940


def test_the_file_holds_every_name_and_the_shared_norm(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    write_published_file("da3-tiny", path)
    shapes = published_shapes("da3-tiny")
    with safe_open(path, "pt") as file:
        assert file.metadata() == METADATA
    weights = load_file(path)
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == shapes
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert float(weights["model.cam_dec.fc_fov.0.bias"].min()) > 0.5
    assert sum(map(math.prod, shapes.values())) == 1_245_031
    assert not METADATA.keys() & shapes.keys()
    assert set(METADATA.values()) <= shapes.keys()
