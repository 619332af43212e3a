"""What the panel says."""

import re
from dataclasses import replace

import torch

from glance3d.types import Report, ViewTrust
from glance3d.viewer.display import surer_points
from glance3d.viewer.facts import escaped, extent, nearest_axis, photo_facts, scene_facts


def test_a_scene_says_its_size_units_world_and_up(scene):
    text = scene_facts(replace(scene, report=Report()), surer_points(scene))
    assert "**4 photos**, cameras as the network guessed them" in text
    assert "Lengths have no unit" in text
    assert "x right, y down, z forward" in text
    assert "-y" in text
    assert "Model: analytic." in text


def test_metres_are_called_metres(scene):
    in_metres = replace(scene, units="metre")
    assert extent(in_metres, surer_points(scene)).endswith(" m")
    assert "Lengths are in metre" in scene_facts(
        replace(in_metres, report=Report()), surer_points(scene)
    )


def test_the_extent_is_that_of_most_points(scene):
    sample = torch.stack([torch.linspace(0, 1, 1001)] * 3, 1).double()
    sample[0] = 1e6

    assert extent(scene, sample) == "most points lie within 0.9 x 0.9 x 0.9"
    assert extent(scene, sample[:0]) == "the scene has no points"


def test_axes_are_named():
    assert nearest_axis(torch.tensor([0.0, 0, 2])) == "+z"
    assert nearest_axis(torch.tensor([0.0, -1, 0.2])) == "about -y"


def test_verdicts_are_counted_and_told(scene):
    good = ViewTrust("bundle adjustment", 10, 0.1, 0.2, 1.0, "good", "10 tracks")
    weak = replace(good, verdict="weak", reason="a_b*c")
    judged = replace(scene, trust=(good, good, good, weak), report=Report())
    assert "4 photos**: 3 good, 1 weak" in scene_facts(judged, surer_points(scene))
    assert "weak: a\\_b\\*c (by bundle adjustment)" in photo_facts(judged, 3)
    assert "320 x 240" in photo_facts(judged, 0)


def test_names_are_no_markup():
    assert escaped("a_[b](c)<img>.jpg") == "a\\_\\[b\\]\\(c\\)\\<img\\>.jpg"


HOSTILE = "<script>x</script>[a](b)`\u202e\x1b[31m\n# head"


def test_hostile_text_is_text_in_every_field(scene):
    """Nothing that came from a file is HTML, Markdown or invisible."""
    trust = ViewTrust(HOSTILE, 2, 0.3, 0.9, 0.8, HOSTILE, HOSTILE)
    hostile = replace(
        scene,
        names=(HOSTILE, *scene.names[1:]),
        model=HOSTILE,
        units=HOSTILE,
        trust=(trust,) * 4,
        report=Report.from_json({"model": {"weights": {"licence": HOSTILE}}}),
    )
    for world in (HOSTILE, f"the {HOSTILE}", "reference camera"):
        hostile = replace(hostile, world=world)
        text = scene_facts(hostile, surer_points(scene)) + photo_facts(hostile, 0)
        assert escaped(HOSTILE) in text
        unescaped = re.sub(r"\\.", "", text.replace("\n\n", ""))
        assert not set("<[`\n\u202e\x1b") & set(unescaped)
