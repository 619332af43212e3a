"""What is written: the same numbers in JSON and CSV, and pictures that show them."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.errors import InputError
from glance3d.tracking import Thresholds, save_tracks
from glance3d.tracking.drawing import draw_view, track_colors
from glance3d.tracking.visible import visible_tracks
from glance3d.types import Reconstruction, Report, Tracks
from glance3d.types.report_sections import TracksReport


@pytest.fixture
def tracked(scene: Reconstruction) -> Reconstruction:
    """Two tracks: one of view 1 that fades, one of view 3 that is unknown in view 0."""
    positions = torch.tensor([[20.0, 30.0], [60.0, 90.0]]).expand(4, -1, -1).clone()
    positions[0, 1] = torch.nan
    visibility = torch.tensor([[0.9, 0.0], [1.0, 0.8], [0.5, 0.8], [0.2, 1.0]])
    confidence = torch.tensor([[1.0, 0.0], [1.0, 0.3], [0.4, 0.9], [1.0, 1.0]])
    tracks = Tracks(positions, visibility, confidence, torch.tensor([1, 3]))
    report = Report(tracks=TracksReport("network", "m"))
    return replace(scene, tracks=tracks, tracked_by="network", report=report)


def grey(view: int) -> np.ndarray:
    return np.full((200 + view, 300, 3), 128, np.uint8)


def test_visible_means_both_thresholds_and_the_query_always(tracked: Reconstruction):
    visible = visible_tracks(tracked.tracks, Thresholds(0.5, 0.4))
    assert visible.tolist() == [[True, False], [True, False], [True, True], [False, True]]
    none = visible_tracks(tracked.tracks, Thresholds(1.0, 1.0))
    assert none.nonzero().tolist() == [[1, 0], [3, 1]]


def test_json_and_csv_say_the_same(tracked: Reconstruction, tmp_path: Path):
    document, paths = save_tracks(tracked, grey, tmp_path, Thresholds(0.5, 0.4))
    assert [path.name for path in paths] == [
        "tracks.json",
        "tracks.csv",
        "tracks.png",
        "tracks.webp",
    ]
    written = json.loads((tmp_path / "tracks.json").read_text())
    assert written == json.loads(json.dumps(document))
    assert written["min_confidence"] == 0.4
    assert written["by"] == "network"
    assert written["tracks"][1]["query"] == {"view": 3, "pixel": [60.0, 90.0]}
    assert written["tracks"][1]["observations"][0]["pixel"] is None
    rows = list(csv.DictReader((tmp_path / "tracks.csv").open()))
    assert len(rows) == 8
    for row in rows:
        seen = written["tracks"][int(row["track"])]["observations"][int(row["view"])]
        assert row["photo"] == tracked.names[seen["view"]]
        assert (row["x"] == "") == (seen["pixel"] is None)
        if seen["pixel"]:
            assert [float(row["x"]), float(row["y"])] == seen["pixel"]
        assert float(row["visibility"]) == seen["visibility"]
        assert bool(int(row["visible"])) == seen["visible"]
    assert [(r["track"], r["view"]) for r in rows if r["query"] == "1"] == [("0", "1"), ("1", "3")]


def test_pictures_hold_every_photo(tracked: Reconstruction, tmp_path: Path):
    save_tracks(tracked, grey, tmp_path)
    with Image.open(tmp_path / "tracks.webp") as animation:
        assert animation.n_frames == 4
        assert animation.size == (300, 203)
    with Image.open(tmp_path / "tracks.png") as sheet:
        assert sheet.width >= 2 * 300
        assert sheet.height >= 2 * 200


def test_discs_rings_and_nothing(tracked: Reconstruction):
    colors = track_colors(tracked.tracks)
    assert len(set(colors)) == 2
    relative = tracked.tracks.positions / 200
    visible = visible_tracks(tracked.tracks, Thresholds(0.5, 0.4))

    def center(view: int, track: int) -> tuple[int, ...]:
        photo = Image.new("RGB", (200, 200), (128, 128, 128))
        own = tracked.tracks.query_views == view
        draw_view(photo, relative, visible, view, own, colors)
        x, y = ((20, 30), (60, 90))[track]
        return photo.getpixel((x, y))

    assert center(0, 0) == colors[0]
    assert center(3, 0) == (128, 128, 128)  # a ring: not visible
    assert center(0, 1) == (128, 128, 128)  # unknown
    assert center(3, 1) == colors[1]


def test_trails_join_visible_places_only():
    positions = torch.tensor([[[20.0, 100.0]], [[100.0, 20.0]], [[180.0, 100.0]]])
    ones = torch.ones(3, 1)
    colors = track_colors(Tracks(positions, ones, ones))
    visible = torch.tensor([[True], [False], [True]])
    photo = Image.new("RGB", (200, 200), (128, 128, 128))
    draw_view(photo, positions / 200, visible, 2, torch.tensor([False]), colors)
    assert photo.getpixel((100, 100)) != (128, 128, 128)  # straight from the first to the last
    assert photo.getpixel((60, 60)) == (128, 128, 128)  # not by way of the hidden one


def test_many_tracks_are_coloured_by_place():
    x = torch.linspace(0, 100, 30)
    positions = torch.stack([x, 0 * x], -1)[None]
    colors = track_colors(Tracks(positions, torch.ones(1, 30), torch.ones(1, 30)))
    assert len(set(colors)) == 30


def test_a_scene_without_tracks_is_refused(scene: Reconstruction, tmp_path: Path):
    with pytest.raises(InputError, match="no tracks"):
        save_tracks(scene, grey, tmp_path)


def test_the_animation_can_be_a_clip(tracked: Reconstruction, tmp_path: Path):
    import av

    _, paths = save_tracks(tracked, grey, tmp_path, animation="mp4")
    assert paths[-1] == tmp_path / "tracks.mp4"
    with av.open(str(paths[-1])) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == tracked.num_views
    assert frames[0].width % 2 == frames[0].height % 2 == 0
    assert frames[1].time == pytest.approx(0.6, abs=0.01)
    with pytest.raises(InputError, match="webp, mp4"):
        save_tracks(tracked, grey, tmp_path, animation="gif")
