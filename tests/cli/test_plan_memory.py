"""``--plan`` and ``--attention``."""

import json
from pathlib import Path

import pytest
import torch

from glance3d.cli import main
from glance3d.nn.attention_backend import attention_backend

SMALL = ["--max-pixels", "4704", "--device", "cpu"]


def test_a_plan_is_printed_and_nothing_is_written(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reconstruct", str(photos), "--out", str(tmp_path / "out"), "--model", "vggt-1b"]
    assert main([*words, "--plan", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 views of ")
    assert "GB at the peak" in said
    assert "each view" in said
    assert not (tmp_path / "out").exists()


def test_thin_attention_is_in_the_report(tiny_weights: Path, photos: Path, tmp_path: Path) -> None:
    words = ["reconstruct", str(photos), "--out", str(tmp_path), "--model", str(tiny_weights)]
    assert main([*words, *SMALL, "--attention", "thin"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    backend = attention_backend(torch.device("cpu"), torch.float32, 16)
    assert report["attention"] == {"kind": "thin", "approximate": True, "backend": backend}
