"""``glance3d reconstruct``: files written, and bad input refused in one line."""

import errno
import json
import os
from pathlib import Path

import pytest

from glance3d.cli import main
from glance3d.cli.options.output import NewSceneFolderFlags
from glance3d.exporters import DEFAULT_PERCENTILE, FORMATS
from glance3d.files.atomic import atomic_file

SMALL = ["--max-pixels", "4704"]


@pytest.fixture
def reconstruct(tiny_weights: Path):
    """Run the command with the small network; give the exit code."""

    def run(*words: str | Path) -> int:
        tail = ["--model", tiny_weights, "--device", "cpu", *SMALL]
        return main(["reconstruct", *map(str, [*words, *tail])])

    return run


def test_writes_everything_and_says_so(
    reconstruct, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "scene"
    assert reconstruct(photos, "--out", out) == 0
    captured = capsys.readouterr()
    for exporter in FORMATS.values():
        is_usual = not exporter.on_request and not exporter.only_with_masks
        assert (out / exporter.path_in_folder).exists() == is_usual
        assert (exporter.path_in_folder in captured.out) == is_usual
    assert "next:" in captured.out
    assert "reference view: view1.png" in captured.err
    assert not list(out.rglob(".tmp-*"))


def test_known_cameras_say_focal_lengths_to_the_network(
    reconstruct, photos: Path, tmp_path: Path
) -> None:
    assert reconstruct(photos, "--out", tmp_path / "first") == 0
    known = ["--cameras", tmp_path / "first" / "cameras.json"]
    assert reconstruct(photos, "--out", tmp_path / "second", *known) == 0
    report = json.loads((tmp_path / "second" / "report.json").read_text())
    assert report["stated_focal_lengths"] == {"num_known": 3, "num_by_files": 0}


def test_report_times_every_stage(reconstruct, photos: Path, tmp_path: Path) -> None:
    assert reconstruct(photos, "--out", tmp_path / "out") == 0
    times = json.loads((tmp_path / "out" / "report.json").read_text())["times"]
    assert {"load_model", "load_images", "predict", "to_scene", "write", "total"} == set(times)
    stages = sum(seconds for stage, seconds in times.items() if stage != "total")
    assert times["total"] == pytest.approx(stages, abs=0.01)


def test_json_is_all_of_stdout(
    reconstruct, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconstruct(photos, "--out", tmp_path / "out", "--json", "--progress") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads((tmp_path / "out" / "report.json").read_text())
    assert "100%" in captured.err


def test_no_progress_bars_where_nobody_looks(
    reconstruct, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconstruct(photos, "--out", tmp_path / "out") == 0
    assert "%|" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["camera", "depth", "points"], ["camera,depth,points"]])
def test_outputs_with_blanks_or_commas(
    reconstruct, photos: Path, tmp_path: Path, words: list[str]
) -> None:
    assert reconstruct(photos, "--out", tmp_path / "out", "--outputs", *words) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["outputs"] == ["camera", "depth", "points"]


def test_queries_are_followed(reconstruct, photos: Path, tmp_path: Path) -> None:
    words = ["--query", "10,20", "30.5,40", "--max-pixels", "9408"]
    assert reconstruct(photos, "--out", tmp_path / "out", *words) == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["num_query_points"] == 2


def test_several_sources_keep_their_order(reconstruct, photos: Path, tmp_path: Path) -> None:
    chosen = [photos / "view2.png", photos / "view1.png"]
    assert reconstruct(*chosen, "--out", tmp_path / "out") == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["reference_view"] == "view2.png"


def test_a_second_run_replaces_the_first_and_leaves_other_files(
    reconstruct, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert reconstruct(photos, "--out", out) == 0
    (out / "notes.txt").write_text("mine")
    assert reconstruct(photos / "view1.png", "--out", out) == 0
    assert json.loads((out / "report.json").read_text())["num_views"] == 1
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["cameras.json", "sparse/0/cameras.bin", "depth/000.png"])
def test_files_of_somebody_else_are_not_replaced(
    reconstruct, photos: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "out" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("the truth")
    assert reconstruct(photos, "--out", tmp_path / "out") == 1
    assert f"{name}, not written by Glance3D" in _one_error(capsys)
    assert theirs.read_text() == "the truth"


def test_bad_photos_among_good_ones_are_skipped_and_reported(
    reconstruct, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (photos / "view1.png").read_bytes()
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "text.jpg").write_text("no photo")
    assert reconstruct(photos, "--out", tmp_path / "out") == 0
    captured = capsys.readouterr()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {Path(photo["source"]).name for photo in report["skipped"]} == {"cut.png", "text.jpg"}
    assert "cut.png" in captured.err
    assert "2 of 5 files were not used: " in captured.out


def _one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The error line; there must be one, it must be the last, and stdout must be empty."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    last = captured.err.splitlines()[-1]
    assert last.startswith("glance3d: ")
    assert captured.err.count("glance3d: ") == 1
    return last


@pytest.mark.parametrize("content", ["nothing", "text", "one pixel"])
def test_folders_without_a_usable_photo_are_refused(
    reconstruct, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    if content == "text":
        (folder / "a.jpg").write_text("no photo")
    elif content == "one pixel":
        Image.new("RGB", (1, 1)).save(folder / "a.png")
    assert reconstruct(folder, "--out", tmp_path / "new" / "out") == 1
    assert "photos" in _one_error(capsys)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "code", "match"),
    [
        (["--device", "tpu9"], 2, "tpu9"),
        (["--outputs", "normals"], 2, "normals"),
        (["--outputs", "tracks"], 2, "query"),
        (["--query", "10;20"], 2, "10;20"),
        (["--query", "1000,20"], 2, "outside"),
        (["--max-pixels", "3"], 2, "max_pixels"),
        (["--preprocess", "crop", "--max-pixels", "4704"], 2, "max_pixels bounds the modes fit"),
        (["--confidence-percentile", "101"], 2, "percentile"),
        (["--max-points", "0"], 2, "max_points"),
    ],
)
def test_bad_values_are_refused(
    photos: Path,
    tmp_path: Path,
    tiny_weights: Path,
    words: list[str],
    code: int,
    match: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start = ["reconstruct", str(photos), "--out", str(tmp_path / "out")]
    assert main([*start, "--model", str(tiny_weights), *words]) == code
    assert match in _one_error(capsys)


def test_no_photos_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconstruct", "--out", str(tmp_path)]) == 2
    assert "got no photos" in _one_error(capsys)


def test_unwritable_output_is_refused_before_the_network_runs(
    reconstruct,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the network ran")

    monkeypatch.setattr("glance3d.reconstruction.reconstruct", never)
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert reconstruct(photos, "--out", out) == 1
        assert str(out) in _one_error(capsys)


def test_unknown_models_and_wrong_weights_are_refused(
    photos: Path, tmp_path: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["reconstruct", str(photos), "--out", str(tmp_path / "out")]
    assert main([*start, "--model", "vggt-2b"]) == 1
    assert "vggt-2b" in _one_error(capsys)
    assert main([*start, "--weights", str(tiny_weights)]) == 1  # a file for another network
    assert "does not fit" in _one_error(capsys)
    (tmp_path / "text.safetensors").write_text("no weights")
    assert main([*start, "--weights", str(tmp_path / "text.safetensors")]) == 1
    assert "text.safetensors" in _one_error(capsys)
    assert main([*start, "--weights", str(tmp_path / "missing.safetensors")]) == 1
    assert "missing.safetensors" in _one_error(capsys)


def test_a_disk_that_fills_up_half_way_leaves_nothing(
    reconstruct,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    real = Path.replace
    moved: list[Path] = []

    def replace(self: Path, target: Path) -> Path:
        if len(moved) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        moved.append(Path(target))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    assert reconstruct(photos, "--out", out) == 1
    assert "disk is full" in _one_error(capsys)
    assert len(moved) == 3
    assert not out.exists()


def test_disk_full_test_covers_how_files_are_written(tmp_path: Path) -> None:
    """The test above fails a move; it would test nothing if files were not moved into place."""
    with atomic_file(tmp_path / "a") as temporary:
        assert temporary != tmp_path / "a"
        temporary.write_text("x")


def test_defaults_are_the_exporters(photos: Path) -> None:
    assert NewSceneFolderFlags(out=Path()).confidence_percentile == DEFAULT_PERCENTILE
