"""Logs and checkpoints that a stop, a disk or somebody else damaged."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from glance3d.errors import ConfigError, WeightsError
from glance3d.training import Trainer
from glance3d.training.run.training_log import TrainingLog, draw_learning_curve, read_log
from tests.fuzz.seeds.networks import take_step, training


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a checkpoint holds after one step."""
    folder = tmp_path_factory.mktemp("run")
    trainer = Trainer(training(), folder, show_progress=False)
    take_step(trainer)
    trainer.save()
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def _resume(state: Any, folder: Path) -> Trainer:
    torch.save(state, folder / "checkpoint.pt")
    trainer = Trainer(training(), folder, show_progress=False)
    trainer.resume()
    return trainer


def test_an_undamaged_one_resumes(state: dict[str, Any], tmp_path: Path) -> None:
    take_step(_resume(state, tmp_path))


DAMAGE: dict[str, Any] = {
    "no config": lambda s: s.pop("config"),
    "a config that is no text": lambda s: s.update(config=3),
    "a config that is no JSON": lambda s: s.update(config="{"),
    "progress of text": lambda s: s["progress"].update(step="1"),
    "negative progress": lambda s: s["progress"].update(samples=-1),
    "unknown progress": lambda s: s["progress"].update(pace=1),
    "no network": lambda s: s.update(model=None),
    "a tensor less": lambda s: s["model"].popitem(),
    "a tensor of whole numbers": lambda s: s["model"].update(
        {next(iter(s["model"])): torch.zeros(1, dtype=torch.int64)}
    ),
    "an average of another shape": lambda s: s["average"]["values"].update(
        {next(iter(s["average"]["values"])): torch.zeros(1)}
    ),
    "an average without a count": lambda s: s["average"].pop("num_updates"),
    "an optimiser of nothing": lambda s: s.update(optimiser={}),
    "a group less": lambda s: s["optimiser"]["param_groups"].pop(),
    "a group of other options": lambda s: s["optimiser"]["param_groups"][0].update(betas="x"),
    "moments of another shape": lambda s: s["optimiser"]["state"][0].update(exp_avg=torch.zeros(3)),
    "moments without a step": lambda s: s["optimiser"]["state"][0].pop("step"),
    "moments of no parameter": lambda s: s["optimiser"]["state"].update({10**6: {}}),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_one_sentence(
    kind: str, state: dict[str, Any], tmp_path: Path
) -> None:
    torch.save(state, tmp_path / "copy.pt")
    copy = torch.load(tmp_path / "copy.pt", weights_only=True)
    DAMAGE[kind](copy)
    with pytest.raises(WeightsError) as caught:
        _resume(copy, tmp_path)
    assert "\n" not in str(caught.value)


def test_another_networks_checkpoint_is_refused(state: dict[str, Any], tmp_path: Path) -> None:
    config = json.loads(state["config"])
    config["model"]["name"] = "another"
    with pytest.raises(ConfigError, match="same network"):
        _resume({**state, "config": json.dumps(config)}, tmp_path)


def _log(folder: Path, num_lines: int = 3) -> Path:
    log = TrainingLog(folder / "log.jsonl")
    for step in range(1, num_lines + 1):
        log.write("train", step, 4 * step, loss=1.0 / step)
    return log.path


@pytest.mark.parametrize("num_left", [1, 10, 40])
def test_a_torn_last_line_is_dropped_and_said(
    num_left: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _log(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:num_left])
    with caplog.at_level(logging.WARNING, "glance3d"):
        TrainingLog(path).write("train", 3, 12, loss=0.25)
    assert "cut short" in caplog.text
    assert path.read_bytes().splitlines(keepends=True)[:2] == lines[:2]
    assert [line["loss"] for line in read_log(path, "train")] == [1.0, 0.5, 0.25]


def test_a_line_that_only_lacks_its_end_is_kept(tmp_path: Path) -> None:
    path = _log(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    TrainingLog(path).write("train", 4, 16, loss=0.25)
    assert [line["step"] for line in read_log(path, "train")] == [1, 2, 3, 4]


DAMAGED_LINES = [
    "{",
    "3",
    "[]",
    '{"kind": "train"}',
    '{"kind": 1, "step": 1, "samples": 1}',
    '{"kind": "train", "step": true, "samples": 1}',
    '{"kind": "train", "step": 1, "samples": -4}',
    "[" * 100_000,
    "\udcff\udcfe",
]


@pytest.mark.parametrize("line", DAMAGED_LINES)
def test_a_damaged_line_is_named_and_left_out(
    line: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _log(tmp_path)
    first, *rest = path.read_text().splitlines()
    text = "\n".join([first, line, *rest]) + "\n"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with caplog.at_level(logging.WARNING, "glance3d"):
        assert [line["step"] for line in read_log(path, "train")] == [1, 2, 3]
    assert "lines 2 of" in caplog.text


def test_a_curve_of_odd_numbers_is_drawn(tmp_path: Path) -> None:
    values = [1e308, -1e308, float("nan"), float("inf"), 1.0, 2.0]
    lines = [{"samples": 0, "loss": value} for value in values]
    draw_learning_curve(lines, ("loss",), tmp_path / "curve.png", 0.9)
    assert (tmp_path / "curve.png").exists()
