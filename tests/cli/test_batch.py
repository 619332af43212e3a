"""``glance3d batch``: a list is checked as a whole, and a batch goes on where it stopped."""

import json
import shutil
from pathlib import Path

import pytest

from glance3d.cli import main
from glance3d.cli.batch import Options
from glance3d.cli.options.output import NewSceneFolderFlags
from glance3d.cli.options.overrides import option_groups, with_overrides
from glance3d.errors import InputError


@pytest.fixture
def batch(tiny_weights: Path, tmp_path: Path):
    """Run the command with the small network; give the exit code."""

    def run(*words: str | Path) -> int:
        tail = ["--out", tmp_path / "out", "--model", tiny_weights, "--device", "cpu"]
        return main(["batch", *map(str, [*words, *tail])])

    return run


def _list(folder: Path, *records: dict) -> Path:
    path = folder / "scenes.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def _options() -> Options:
    return Options(manifest=Path("m"), output=NewSceneFolderFlags(out=Path("o")))


@pytest.mark.long
def test_a_batch_goes_on_where_it_stopped(
    batch, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dark").mkdir()
    (tmp_path / "dark" / "a.png").write_text("no photo")
    listed = _list(
        tmp_path,
        {"name": "good \u2603", "photos": "photos", "options": {"max_points": 50}},
        {"name": "dark", "photos": "dark"},
    )
    words = [listed, "--max-pixels", "4704"]
    assert batch(*words) == 1
    captured = capsys.readouterr()
    assert "1 of 2 scenes are done, 1 set aside" in captured.out
    assert "a.png" in captured.out
    assert "glance3d: 1 of 2 scenes is set aside" in captured.err
    out = tmp_path / "out"
    report = json.loads((out / "good \u2603" / "report.json").read_text())
    assert (report["num_views"], report["export"]["max_points"]) == (3, 50)
    summary = json.loads((out / "batch.json").read_text())
    assert [scene["state"] for scene in summary["scenes"]] == ["done", "set aside"]
    assert len(summary["scenes"][1]["failures"]) == 3
    assert "no photo" not in (out / "dark").name
    assert not (out / "dark").exists()
    assert "reference view" in (out / ".glance3d-batch/logs/good \u2603.log").read_text()
    made = (out / "good \u2603" / "report.json").stat().st_mtime_ns

    for photo in photos.iterdir():
        shutil.copy(photo, tmp_path / "dark")
    (photos / "view3.png").unlink()
    assert batch(*words, "--confidence-percentile", "10", "--retry") == 0
    captured = capsys.readouterr()
    assert "dark is made again: it was asked for" in captured.err
    assert "good \u2603 (options (percentile) and photos)" in captured.err
    assert "2 of 2 scenes are done" in captured.out
    assert (out / "good \u2603" / "report.json").stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": 1}, "unknown option 'color' in line 2"),
        ({"model": "vggt-1b"}, "the model is the same for all scenes"),
        ({"views": "many"}, "option views in line 2 of"),
        ({"views": True}, "must be a whole number"),
        ({"refine": 1}, "must be true or false"),
        ({"camera": "mine"}, "must be one of auto, single"),
        ({"outputs": "depth"}, "must be a list of texts"),
        ({"densify": True, "no_densify": True}, "in line 2 of"),
        ({"window": 1}, "a window must hold at least 2 views"),
        ({"cameras": "none.json"}, "none.json"),
        ({"masks": "none"}, "in line 2 of"),
        ({"max_pixels": 1}, "in line 2 of"),
        ({"outputs": ["rays"]}, "outputs of a scene must not hold 'rays'"),
        ({"cameras_from": "rays"}, "cameras_from must be decoder"),
    ],
)
def test_options_of_a_scene_are_checked_before_anything_starts(
    batch, tmp_path: Path, options: dict, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"name": "a", "photos": "p"}
    listed = _list(tmp_path, good, {"name": "b", "photos": "p", "options": options})
    assert batch(listed) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_somebody_elses_summary_is_not_replaced(
    batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "batch.json").write_text("mine")
    assert batch(_list(tmp_path, {"name": "a", "photos": "p"})) == 1
    assert "batch.json, not written by Glance3D" in capsys.readouterr().err
    assert (tmp_path / "out" / "batch.json").read_text() == "mine"


def test_workers_of_a_cluster_need_one(
    batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(_list(tmp_path, {"name": "a", "photos": "p"}), "--ray-workers", "2") == 2
    assert "give its address as well" in capsys.readouterr().err


def test_every_option_of_a_scene_takes_its_own_default() -> None:
    options = _options()
    for name, group in option_groups(options).items():
        value = getattr(getattr(options, group), name)
        value = list(value) if isinstance(value, tuple) else value
        assert with_overrides(options, {name: value}, Path("/m"), "line 1") == options


def test_paths_of_a_scene_begin_at_the_manifest() -> None:
    changed = with_overrides(_options(), {"masks": "m", "views": 3}, Path("/list"), "line 1")
    assert changed.input.masks == Path("/list/m")
    assert changed.clips.views == 3
    with pytest.raises(InputError, match="must be a path"):
        with_overrides(_options(), {"masks": ""}, Path("/list"), "line 1")
