"""``glance3d track``: photos or a saved scene, and bad input refused in one line."""

import json
from pathlib import Path

import pytest

from glance3d.cli import main
from glance3d.results import MANIFEST_FILE

SMALL = ["--max-pixels", "4704"]


@pytest.fixture
def track(tiny_weights: Path):
    def run(*words: str | Path) -> int:
        tail = ["--model", tiny_weights, "--device", "cpu", *SMALL]
        return main(["track", *map(str, [*words, *tail])])

    return run


def test_photos(track, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "new" / "tracks"
    assert track(photos, "--query", "view3.png:10,80", "0:95.5,3", "--out", out) == 0
    output = capsys.readouterr().out
    assert "followed 2 points through 3 photos by network" in output
    written = json.loads((out / "tracks.json").read_text())
    assert [t["query"]["view"] for t in written["tracks"]] == [2, 0]
    assert {path.name for path in out.iterdir()} - {MANIFEST_FILE} == {
        "tracks.json",
        "tracks.csv",
        "tracks.png",
        "tracks.webp",
    }


def test_a_saved_scene_by_geometry_needs_no_network(
    photos: Path, tmp_path: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str]
):
    scene = tmp_path / "scene"
    start = ["reconstruct", str(photos), "--out", str(scene), "--model", str(tiny_weights), *SMALL]
    assert main(start) == 0
    before = (scene / "scene.npz").read_bytes()
    capsys.readouterr()
    words = [str(scene), "--grid", "4", "--query-view", "view2", "--by", "geometry", "--json"]
    assert main(["track", *words, "--weights", "not-loaded.pt"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((scene / "tracks" / "tracks.json").read_text())
    assert document["by"] == "geometry"
    assert len(document["tracks"]) == 12
    assert (scene / "scene.npz").read_bytes() == before


def test_thresholds_decide_what_is_visible(track, photos: Path, tmp_path: Path):
    counts = []
    for threshold in ("0", "1"):
        out = tmp_path / threshold
        words = ("--grid", "3", "--min-visibility", threshold, "--out", out)
        assert track(photos, *words) == 0
        document = json.loads((out / "tracks.json").read_text())
        assert document["min_visibility"] == float(threshold)
        counts.append(sum(o["visible"] for t in document["tracks"] for o in t["observations"]))
    assert counts[0] > counts[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "either --query PHOTO:X,Y ... or --grid N"),
        (("--query", "0:1,1", "--grid", "3"), "either --query"),
        (("--query", "10,20"), "got '10,20'"),
        (("--query", "view1.png:10"), "got 'view1.png:10'"),
        (("--query", "view9.png:10,10"), "no photo 'view9.png'"),
        (("--query", "7:10,10"), "from 0 to 2"),
        (("--query", "view1:1000,10"), "outside the photo view1.png, which is 96 x 64"),
        (("--grid", "0"), "grid of 0"),
        (("--grid", "3", "--query-view", "x"), "no photo 'x'"),
        (("--grid", "3", "--min-confidence", "2"), "min_confidence"),
    ],
)
def test_bad_input_is_one_sentence(
    track, photos: Path, tmp_path: Path, words, message, capsys: pytest.CaptureFixture[str]
):
    assert track(photos, *words, "--out", tmp_path / "new" / "out") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err.splitlines()[-1]
    assert not (tmp_path / "new").exists()


def test_photos_need_a_folder_for_results(track, photos: Path, capsys):
    assert track(photos, "--grid", "3") == 2
    assert "--out DIR" in capsys.readouterr().err


def test_a_scene_stands_alone(track, photos: Path, tmp_path: Path, capsys):
    (tmp_path / "scene.npz").write_text("")
    assert track(tmp_path / "scene.npz", photos, "--grid", "3") == 2
    assert "is a saved scene" in capsys.readouterr().err
    assert track(tmp_path / "scene.npz", "--grid", "3") == 1
    assert "is not a Glance3D scene" in capsys.readouterr().err
