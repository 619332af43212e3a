"""``--plan`` and ``--attention``."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from glance3d.cli import main
from glance3d.nn.fast.attention_backend import attention_backend
from glance3d.reporting.times import peak_process_memory

SMALL = ["--max-pixels", "4704", "--device", "cpu"]


def test_a_plan_is_printed_and_nothing_is_written(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reconstruct", str(photos), "--out", str(tmp_path / "out"), "--model", "vggt-1b"]
    assert main([*words, "--plan", "--device", "cpu"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("3 views of ")
    assert "GB at the peak" in output
    assert "each view" in output
    assert not (tmp_path / "out").exists()


def test_thin_attention_is_in_the_report(tiny_weights: Path, photos: Path, tmp_path: Path) -> None:
    words = ["reconstruct", str(photos), "--out", str(tmp_path), "--model", str(tiny_weights)]
    assert main([*words, *SMALL, "--attention", "thin"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    backend = attention_backend(torch.device("cpu"), torch.float32, 16)
    assert report["attention"] == {"kind": "thin", "approximate": True, "backend": backend}


def test_the_plan_and_the_peak_count_photos_at_their_own_size(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Depth of two photos of 24 million pixels takes more to be written than to be predicted."""
    (tmp_path / "photos").mkdir()
    for index in range(2):
        Image.new("RGB", (6000, 4000), (40, 80 * index, 90)).save(
            tmp_path / f"photos/{index}.jpg", quality=30
        )
    words = ["reconstruct", str(tmp_path / "photos"), "--out", str(tmp_path / "out")]
    words += [*SMALL, "--model", str(tiny_weights)]
    assert main([*words, "--plan"]) == 0
    assert "at the photos' own size" in capsys.readouterr().out
    before = peak_process_memory()
    assert main(words) == 0
    memory = json.loads((tmp_path / "out" / "report.json").read_text())["memory"]
    assert memory["planned"] > 400e6 + 2 * 4 * 24e6
    assert memory["peak_process"] == pytest.approx(peak_process_memory(), rel=0.1)
    assert memory["peak_process"] >= before
