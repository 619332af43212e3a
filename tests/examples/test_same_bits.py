"""`scripts/same_bits` sees a changed number, and passes over clocks, folders and versions."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "same_bits"


def write_result(folder: Path, depth: float, seconds: float) -> None:
    report = {
        "created": f"2026-01-0{int(seconds)}",
        "times": {"predict": seconds},
        "sources": [f"{folder}/a.jpg"],
        "share": depth,
    }
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report))
    took = f"{seconds * 1000:.0f} ms" if seconds < 2 else f"{seconds} s"
    (folder / "summary.txt").write_text(f"depth {depth} in {took}, written to {folder}")
    arrays = {"depth": np.array([1.0, depth], np.float32), "report": np.array(json.dumps(report))}
    np.savez(folder / "scene.npz", **arrays)


def hashes(folder: Path) -> dict[str, str]:
    hashing = runpy.run_path(str(SCRIPT / "hashing.py"))

    def normalise(text: str) -> str:
        return hashing["normalise_text"](text, folder, folder.parent)

    leaves = {"exit": "0"}
    for path in sorted(folder.iterdir()):
        leaves |= {f"{path.name}{key}": v for key, v in hashing["hash_file"](path, normalise)}
    return leaves


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def run(*scenes: tuple[float, float]) -> Any:
        files = []
        for number, (depth, seconds) in enumerate(scenes):
            kept = tmp_path / str(number)
            write_result(kept / "job", depth, seconds)
            leaves = hashes(kept / "job")
            content: dict[str, Any] = {"commit": None, "packages": {}, "only": None}
            content |= {"kept": str(kept), "jobs": {"job": {"leaves": leaves}}}
            files.append(tmp_path / f"{number}.json")
            files[-1].write_text(json.dumps(content))
        monkeypatch.setattr("sys.argv", ["same_bits", "compare", *map(str, files)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        return ended.value.code

    return run


def test_clocks_and_folders_are_no_difference(compared: Callable[..., Any]) -> None:
    assert compared((0.5, 1.0), (0.5, 2.0)) == 0


def test_a_changed_number_is_named_with_its_size(
    compared: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared((0.5, 1.0), (0.625, 1.0)) == 1
    printed = capsys.readouterr().out
    assert "report.json:share: 0.5 -> 0.625" in printed
    assert "scene.npz:report.share: 0.5 -> 0.625" in printed
    assert "1 of 2 numbers, by at most 0.125" in printed
    assert "summary.txt" in printed
    assert printed.splitlines()[-1].startswith("4 of ")


def test_a_job_starts_after_the_one_whose_result_it_reads() -> None:
    table = runpy.run_path(str(SCRIPT / "jobs.py"))
    jobs = table["list_jobs"]()
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    for job in jobs:
        assert job.starts_from is None or names.index(job.starts_from) < names.index(job.name)
    chain = [job.name for job in table["chosen_jobs"](["fox.export"])]
    assert chain == ["fox.reconstruct", "fox.refine", "fox.export"]
