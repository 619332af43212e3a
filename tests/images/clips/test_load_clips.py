"""Clips among photos, from folder to batch and back to the originals."""

from pathlib import Path

import numpy as np
import pytest
import torch

import glance3d
from glance3d.errors import ImageError, InputError
from glance3d.exporters import load_scene, write_scene_folder
from glance3d.images import ClipSampling, Originals, load_images, resolve_sources
from glance3d.images.clips import frame_path, shown_path
from glance3d.images.naming.unique_names import unique_names
from glance3d.refinement.matching.shared_cameras import shared_camera_ids
from tests.images.clips.drawn import pan, write_clip

THREE = ClipSampling(views=3)
SMALL = {"max_pixels": 4704}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips, the first still at its beginning and half of it blurred, between two photos."""
    places = np.concatenate([np.zeros(15), np.arange(30) * 6.0])
    write_clip(tmp_path / "b.mp4", pan(places, blurred=range(16, 45, 2)))
    write_clip(tmp_path / "c.MOV", pan(np.arange(20) * 8.0), rotation=-90)
    first, last = pan([300, 340], size=(120, 90))
    first.save(tmp_path / "a.png")
    last.save(tmp_path / "d.jpg")
    return tmp_path


def test_a_folder_of_photos_and_clips_in_order(folder):
    batch = load_images(folder, sampling=THREE)
    stems = [name.split("_")[0] for name in batch.names]
    assert stems == ["a.png", "b", "b", "b", "c", "c", "c", "d.jpg"]
    assert list(batch.names[1:4]) == sorted(batch.names[1:4])
    assert batch.sources[1].startswith(f"{folder}/b.mp4#t=")
    assert [placement.original_size for placement in batch.placements[3:5]] == [
        (160, 96),
        (96, 160),
    ]
    assert [len(clip.times) for clip in batch.clips] == [3, 3]
    assert batch.clips[0].num_frames == 45


def test_still_frames_are_one_view_and_blurred_ones_none(folder):
    batch = load_images(folder / "b.mp4")
    (clip,) = batch.clips
    frames = [round(time * 10) for time in clip.times]
    assert len(frames) >= 8
    assert sum(frame <= 15 for frame in frames) == 1
    assert all(frame % 2 for frame in frames if frame > 15)
    assert "nothing moves in the first 1" in clip.why


def test_pixels_and_originals_are_the_frames(folder):
    truth = pan(np.arange(20) * 8.0)
    batch = load_images(folder / "c.MOV", sampling=THREE)
    scene = glance3d.reconstruct(folder / "c.MOV", views=3, model=_tiny(), preprocess=SMALL)
    assert scene.names == batch.names
    originals = Originals(scene)
    for view, time in enumerate(batch.clips[0].times):
        upright = np.rot90(np.asarray(truth[round(time * 10)]), -1)
        assert np.abs(originals[view].astype(float) - upright).mean() < 6
    again = load_images(originals.as_sources())
    assert again.names == batch.names
    assert torch.equal(again.images, batch.images)
    assert scene.report.to_json()["clips"][0]["num_frames"] == 20


def test_a_saved_scene_finds_its_frames_without_the_clip(folder, tmp_path):
    scene = glance3d.reconstruct(folder / "b.mp4", views=3, model=_tiny(), preprocess=SMALL)
    written = write_scene_folder(scene, tmp_path / "out", formats=["npz", "images"])
    copies = [path.name for path in written if path.parent.name == "images"]
    assert copies == list(scene.names)
    seen = Originals(scene)[1]
    (folder / "b.mp4").unlink()
    loaded = load_scene(tmp_path / "out")
    kept = Originals(loaded, tmp_path / "out" / "images")[1]
    assert np.abs(kept.astype(float) - seen).mean() < 3


def test_frames_of_one_clip_are_one_camera(folder):
    scene = glance3d.reconstruct(
        [folder / "b.mp4", folder / "c.MOV"], views=2, model=_tiny(), preprocess=SMALL
    )
    assert shared_camera_ids(scene) == [0, 0, 1, 1]


def test_a_bad_clip_among_good_photos_is_skipped_and_said(folder):
    (folder / "b.mp4").write_bytes(b"no video")
    batch = load_images(folder, sampling=THREE)
    assert len(batch.names) == 5
    (skipped,) = batch.skipped
    assert "b.mp4 is not a video" in skipped.reason
    with pytest.raises(ImageError, match=r"none of the photos .* b\.mp4 is not a video"):
        load_images(folder / "b.mp4")


def test_a_clip_that_stands_still_gives_one_view_and_a_warning(tmp_path):
    path = write_clip(tmp_path / "still.mp4", pan(np.zeros(30)))
    scene = glance3d.reconstruct(path, model=_tiny(), preprocess=SMALL)
    assert scene.num_views == 1
    assert any(
        "nothing moves in still.mp4" in warning for warning in scene.report.to_json()["warnings"]
    )


def test_the_clip_of_a_live_photo_is_left_out_of_a_folder(folder):
    (folder / "c.jpg").write_bytes((folder / "d.jpg").read_bytes())
    assert [p.name for p in resolve_sources(folder)] == ["a.png", "b.mp4", "c.jpg", "d.jpg"]
    assert resolve_sources(folder / "c.MOV") == (folder / "c.MOV",)


def test_a_single_frame_by_its_time(folder):
    batch = load_images([f"{folder}/c.MOV#t=0.8", folder / "a.png"])
    assert batch.names == ("c_00-00.800.jpg", "a.png")


def test_names_carry_the_time_sort_and_never_clash():
    times = (0.0, 3.25, 59.9996, 60.0, 754.5)
    names = [shown_path(frame_path(Path("a/walk.mp4"), time)).name for time in times]
    assert names[:2] == ["walk_00-00.000.jpg", "walk_00-03.250.jpg"]
    assert names[2] == names[3] == "walk_01-00.000.jpg"
    assert names[4] == "walk_12-34.500.jpg"
    paths = [frame_path(Path(f"{folder}/walk.mp4"), time) for folder in "ab" for time in times]
    unique = unique_names(paths)
    assert len(set(unique)) == len(paths)
    assert unique[1] == "a_walk_00-03.250.jpg"


def _tiny():
    from glance3d.models import build_model, config

    return build_model(config.tiny())


def test_a_clip_is_added_to_a_scene_frame_by_frame(folder):
    scene = glance3d.reconstruct(folder / "a.png", model=_tiny(), preprocess=SMALL)
    more = glance3d.add_photos(scene, folder / "b.mp4", views=2, model=_tiny(), device="cpu")
    assert more.num_views == 3
    assert all(name.startswith("b_00-0") for name in more.names[1:])
    with pytest.raises(InputError, match="in the scene already"):
        glance3d.add_photos(more, folder / "b.mp4", model=_tiny(), device="cpu")
