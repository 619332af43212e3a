"""The file itself: its size, its words, its policy; a browser is not needed."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glance3d.errors import InputError
from glance3d.exporters import export
from glance3d.exporters.page.facts import in_words, licence_in_words, scene_title, warnings_of
from glance3d.exporters.page.markup import Markup, element
from glance3d.exporters.page.pictures import draw_pictures
from glance3d.exporters.page.plots import in_digits
from glance3d.types import Reconstruction, Report

ASSETS = Path(__file__).parents[3] / "src/glance3d/exporters/page/assets"


def text_of(scene: Reconstruction, folder: Path, **options) -> str:
    return export(scene, folder / "scene.html", **options)[0].read_text(encoding="utf-8")


def repeated(scene: Reconstruction, times: int) -> Reconstruction:
    """A scene of many photos."""
    cameras = scene.cameras
    return replace(
        scene,
        names=tuple(f"{k}_{name}" for k in range(times) for name in scene.names),
        sources=scene.sources * times,
        contents=scene.contents * times,
        placements=scene.placements * times,
        cameras=replace(
            cameras,
            cam_from_world=cameras.cam_from_world.repeat(times, 1, 1),
            intrinsics=cameras.intrinsics.repeat(times, 1, 1),
            image_sizes=cameras.image_sizes.repeat(times, 1),
        ),
        **{
            name: getattr(scene, name)[:, ::8, ::8].repeat(
                times, *[1] * (getattr(scene, name).ndim - 1)
            )
            for name in ("colors", "mask", "depth")
        },
        points_world=None,
        confidence=None,
        points_from=None,
    )


@pytest.mark.parametrize("megabytes", [1.0, 1.2, 2.0])
def test_a_page_keeps_its_budget(refined, tmp_path, megabytes):
    size = len(text_of(refined, tmp_path, page_megabytes=megabytes).encode())
    assert size <= megabytes * 1e6
    assert size > 0.6e6  # the program, and points


def test_pictures_of_hundreds_of_photos_keep_the_budget(scene):
    pictures = draw_pictures(repeated(scene, 100), 800_000)
    assert len(pictures) == 400
    assert sum(pair.num_bytes for pair in pictures if pair) <= 800_000
    assert all(pictures)


def test_where_even_small_pictures_are_too_many_some_photos_have_none(scene):
    pictures = draw_pictures(repeated(scene, 5), 12_000)
    shown = [pair for pair in pictures if pair]
    assert 1 <= len(shown) < 20
    assert sum(pair.num_bytes for pair in shown) <= 12_000


def test_writing_again_gives_the_same_page(refined, tmp_path):
    assert text_of(refined, tmp_path) == text_of(refined, tmp_path)


def test_only_these_scripts_may_run_and_nothing_may_be_loaded(refined, tmp_path):
    text = text_of(refined, tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy
    for script in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    outside = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:|//)", outside)


def test_the_program_is_one_script_of_all_modules_and_imports_nothing(refined, tmp_path):
    program = re.findall(r"<script>(.*?)</script>", text_of(refined, tmp_path), re.DOTALL)[-1]
    assert not re.search(r"^\s*(import|export)\b", program, re.MULTILINE)
    for module in ASSETS.glob("*.js"):
        if module.name != "three.min.js":
            assert module.read_text().splitlines()[0] in program
    top_level = re.findall(r"^(?:function|class|const|let) (\w+)", program, re.MULTILINE)
    assert len(top_level) == len(set(top_level))


def test_the_library_comes_with_its_licence():
    licence = (ASSETS / "three.LICENSE.txt").read_text()
    assert licence.strip() in (ASSETS / "three.min.js").read_text()


def test_the_report_is_in_words(refined, tmp_path):
    text = text_of(refined, tmp_path)
    for words in (
        "it is unsupported",
        "a warning in plain words",
        "CC0 (commercial use allowed)",
        "one pass of the network",
        "Reprojection error",
        "2 of 4",
        "measured from the photos",
    ):
        assert words in text


def test_names_and_reports_cannot_become_markup(refined, tmp_path):
    bad = "</script><q>&\"'</q>"
    report = {"warnings": [bad], "times": {bad: 1.0}, "model": {"weights": {"licence": bad}}}
    names = (bad, "b", "c", "d")
    scene = replace(refined, names=names, report=Report.from_json(report), model=bad, world=bad)
    text = text_of(scene, tmp_path)
    assert bad not in text
    assert "<q>" not in text
    data = json.loads(re.search(r'id="scene-data">(.*?)</script>', text)[1])
    assert data["cameras"]["views"][0]["name"] == bad


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"model": "a name", "times": [1], "warnings": "no list", "skipped": 3, "trust": []},
        {"times": {"total": "long"}, "machine": {"device": 3}, "versions": None},
    ],
)
def test_a_report_of_any_shape_gives_a_page(refined, tmp_path, report):
    assert "<h2" in text_of(replace(refined, report=Report.from_json(report)), tmp_path)


def test_a_scene_of_which_nothing_is_usable_gives_a_page(scene, tmp_path):
    nowhere = torch.full_like(scene.depth, torch.nan)
    points = torch.full_like(scene.points_world, torch.nan)
    text = text_of(replace(scene, depth=nowhere, points_world=points), tmp_path)
    assert '"depth":null' in text


def test_a_page_too_small_for_its_program_is_refused(refined, tmp_path):
    with pytest.raises(InputError, match=r"page_megabytes must be at least 1.*, got 0\.3"):
        export(refined, tmp_path / "scene.html", page_megabytes=0.3)


def test_text_is_escaped_and_markup_is_not():
    assert element("p", "<i>", Markup("<b>x</b>"), None) == "<p>&lt;i&gt;<b>x</b></p>"
    assert element("a", title='"&') == '<a title="&quot;&amp;"></a>'
    assert element("input", type="range", hidden=True, name=None) == '<input type="range" hidden>'
    assert element("p", "bytes \udc80") == "<p>bytes \\udc80</p>"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "250 ms"), (12.34, "12.3 s"), (75, "1 min 15 s"), (7320, "2 h 2 min")],
)
def test_times_are_in_words(seconds, words):
    assert in_words(seconds) == words


def test_a_scene_is_called_after_the_folder_of_its_photos(scene):
    named = replace(scene, sources=("/home/me/lund_door/images/000.jpg", *scene.sources[1:]))
    assert scene_title(named) == "lund_door"
    assert scene_title(replace(scene, sources=("a.jpg", *scene.sources[1:]))) == "Scene"


def test_warnings_are_told_once_with_skipped_photos_and_contradictions(scene):
    report = {
        "warnings": ["twice", "twice"],
        "skipped": [{"source": "/a/b.jpg", "reason": "it is empty"}],
        "trust": {"contradictions": [{"reason": "a doubled wall"}]},
    }
    assert warnings_of(replace(scene, report=Report.from_json(report))) == [
        "twice",
        "a doubled wall",
        "b.jpg was left out: it is empty",
    ]


def test_licences_say_what_may_be_done(scene):
    def words(**weights) -> str:
        report = Report.from_json({"model": {"weights": weights}})
        return licence_in_words(replace(scene, report=report))

    assert words(licence="CC-BY-NC-4.0", commercial_use=False) == "CC-BY-NC-4.0 (no commercial use)"
    disputed = words(licence="Apache-2.0", commercial_use=False, commercial="disputed")
    assert disputed == "Apache-2.0 (commercial use disputed)"
    assert words() == "the licence of the weights is not known"


@pytest.mark.parametrize(
    ("value", "span", "words"),
    [
        (0.5, 2.0, "0.50"),
        (1.00012, 0.0004, "1.000120"),
        (1234.5, 5000.0, "1,234"),
        (3.0, 0.0, "3.000"),
    ],
)
def test_numbers_have_the_digits_that_tell_them_apart(value, span, words):
    assert in_digits(value, span) == words
