import json
from functools import partial

import pytest

from glance3d import datasets
from glance3d.cli import main
from glance3d.training import RECIPES


def test_train_then_resume_then_refuse_to_overwrite(tmp_path, capsys):
    out = str(tmp_path / "run")
    arguments = ["train", "--recipe", "tiny-test", "--out", out, "--threads", "1"]
    assert main([*arguments, "--samples", "4"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["samples"] == 4
    assert main([*arguments, "--samples", "4"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*arguments, "--samples", "8", "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 8


def test_a_smaller_batch_and_one_that_holds_no_scene(tmp_path, capsys):
    arguments = ["train", "--recipe", "tiny-test", "--out", str(tmp_path / "run"), "--threads", "1"]
    assert main([*arguments, "--samples", "1", "--images", "4"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 2
    other = ["train", "--recipe", "tiny-test", "--out", str(tmp_path / "other")]
    assert main([*other, "--images", "1"]) == 2
    assert "must hold a scene of 2 views" in capsys.readouterr().err


def test_evaluate_a_weights_file_on_synthetic_scenes(tiny_weights, tmp_path, capsys, monkeypatch):
    small = partial(datasets.SyntheticConfig, images_per_batch=12, num_textures=16, texture_size=64)
    monkeypatch.setattr(datasets, "SyntheticConfig", small)
    out = tmp_path / "evaluation"
    words = ["--model", str(tiny_weights), "--device", "cpu", "--synthetic-scenes", "2"]
    words += ["--synthetic-pixels", str(96 * 96)]
    assert main(["evaluate", *words, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "trivial" in printed
    report = json.loads((out / "evaluation.json").read_text())
    assert report["sets"][0]["num_scenes"] == 2
    assert "at most 9,216 pixels" in report["sets"][0]["about"]
    assert (out / "evaluation.txt").read_text() == printed
    assert len(list((out / "predictions" / "network" / "synthetic").glob("*.npz"))) == 2


def test_nothing_to_evaluate_on_is_refused(capsys):
    assert main(["evaluate", "--synthetic-scenes", "0"]) == 2
    assert "nothing to evaluate on" in capsys.readouterr().err


def test_an_unknown_recipe_lists_the_known_ones(tmp_path, capsys):
    assert main(["train", "--recipe", "huge", "--out", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert all(name in message for name in RECIPES)


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_help_explains(command, capsys):
    assert main([command, "--help"]) == 0
    assert "Example" in capsys.readouterr().out
