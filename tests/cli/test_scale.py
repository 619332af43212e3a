"""``glance3d scale``, and the words by which people say what they know."""

import json
from pathlib import Path

import numpy as np
import pytest

from glance3d.cli import main
from glance3d.cli.options.known import (
    MetricFlags,
    parse_depth,
    parse_distance,
    read_known_quantities,
)
from glance3d.errors import CamerasError, InputError
from glance3d.exporters import export, load_scene
from glance3d.metric_scale import KnownDepth, KnownDepthMap, KnownDistance
from tests.metric_scale.scenes import circle, scene_at, with_gps


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A saved scene whose photos know their places; one of its units is four metres."""
    export(with_gps(scene_at(circle()), noise=0.2), tmp_path / "scene" / "scene.npz")
    return tmp_path / "scene"


def test_gps_in_place(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", str(saved), "--gps"]) == 0
    out = capsys.readouterr().out
    assert "lengths are in metres, by gps: one unit of before is" in out
    assert "the world is east-north-up at 46.948" in out
    scene = load_scene(saved)
    assert scene.units == "metre"
    assert scene.report.metric_scale.metres_per_unit == pytest.approx(4, rel=0.05)
    assert json.loads((saved / "report.json").read_text())["metric_scale"]["applied"] is True
    assert json.loads((saved / "cameras.json").read_text())["units"] == "metre"


def test_a_distance_to_another_folder_as_json(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["scale", str(saved), "--known-distance", "00.jpg:30,60:105,60=10", "--json"]
    assert main([*words, "--out", str(tmp_path / "metric")]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["metres_per_unit"] == pytest.approx(4, rel=1e-5)
    assert load_scene(saved).units == "arbitrary"
    assert load_scene(tmp_path / "metric").units == "metre"


def test_known_cameras_and_who_contradicts_them(saved: Path, tmp_path: Path) -> None:
    scene = load_scene(saved)
    scene.cameras.cam_from_world[3, :, 3] += 5
    export(scene, tmp_path / "survey.d" / "cameras.json")
    words = ["scale", str(saved), "--cameras", str(tmp_path / "survey.d"), "--cameras-in-metres"]
    assert main(words) == 0
    report = load_scene(saved).report.to_json()
    assert report["known_cameras"]["disagreement"]["contradicting"] == ["03.jpg"]
    assert report["known_cameras"]["num_poses"] == 12
    assert report["metric_scale"]["scale_by"] == "known poses"


def test_scaling_twice_settles_the_first_doubts(saved: Path) -> None:
    assert main(["scale", str(saved), "--known-depth", "00.jpg:30,60=20"]) == 0
    first = load_scene(saved).report.to_json()
    assert any("one reading has no scatter" in warning for warning in first["warnings"])
    assert main(["scale", str(saved), "--gps"]) == 0
    second = load_scene(saved).report.to_json()
    assert not any("one reading has no scatter" in warning for warning in second["warnings"])
    assert second["metric_scale"]["metres_per_unit"] == pytest.approx(1, rel=0.05)


def test_nothing_known_is_refused(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", str(saved)]) == 2
    assert "say what is known" in capsys.readouterr().err
    assert main(["scale", str(saved), "--cameras-in-metres", "--gps"]) == 2
    assert "give them with --cameras FILE" in capsys.readouterr().err


def test_words_become_constraints(tmp_path: Path) -> None:
    wanted = KnownDistance("a:b.jpg", (1.0, 2.5), (30.0, 4.0), 2.03)
    assert parse_distance("a:b.jpg:1,2.5:30,4=2.03") == wanted
    assert parse_depth("a.jpg:320,240=4.2") == KnownDepth("a.jpg", (320.0, 240.0), 4.2)
    np.save(tmp_path / "d@1.npy", np.ones((4, 4)))
    path = tmp_path / "d@1.npy"
    assert parse_depth(f"a.jpg={path}") == KnownDepthMap("a.jpg", path)
    assert parse_depth(f"a.jpg={path}@0.001") == KnownDepthMap("a.jpg", path, 0.001)


@pytest.mark.parametrize("word", ["a.jpg", "a.jpg:1,2=3", "a.jpg:1,2:3,4=x", ":1,2:3,4"])
def test_distances_that_are_not_understood(word: str) -> None:
    with pytest.raises(InputError, match=r"PHOTO:X,Y:X,Y=METRES"):
        parse_distance(word)


def test_depths_that_are_not_understood() -> None:
    with pytest.raises(InputError, match="PHOTO=FILE"):
        parse_depth("a.jpg")
    with pytest.raises(InputError, match=r"no depth map absent\.npy"):
        parse_depth("a.jpg=absent.npy")
    with pytest.raises(InputError, match=r"must be from .* metres, got -3"):
        parse_depth("a.jpg:1,2=-3")


def test_knowledge_is_read_before_the_long_work(tmp_path: Path) -> None:
    assert not read_known_quantities(MetricFlags())
    with pytest.raises(CamerasError, match="no file or folder"):
        read_known_quantities(MetricFlags(cameras=tmp_path / "absent"))
