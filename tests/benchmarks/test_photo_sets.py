"""Photo sets that benchmarks write are read by the house's reader, with true cameras."""

from pathlib import Path

import torch
from benchmarks.drawn_photo_sets import write_sets
from benchmarks.mixed_cameras import mix
from benchmarks.photo_set_parts import write_part

from glance3d.formats.cameras_json import read_cameras_file
from glance3d.photo_sets import load_photo_set


def test_drawn_sets_are_read_and_mixed(tmp_path: Path) -> None:
    write_sets(tmp_path, 1, 4, (30.0, 40.0), 64 * 64, 0)
    drawn = load_photo_set(tmp_path / "scene_00")
    assert drawn.has_depth
    assert len(drawn) == 4
    (tmp_path / "mixed").mkdir()
    mix(tmp_path / "scene_00", tmp_path / "mixed" / "room", 4)
    before, after = (
        read_cameras_file(folder / "cameras.json").views[3]
        for folder in (tmp_path / "scene_00", tmp_path / "mixed" / "room")
    )
    assert before.size is not None
    assert after.size is not None
    assert after.size[0] < before.size[0]
    # The fourth photo is cropped to 0.62 of its sides, and shrunk a little.
    assert before.intrinsics is not None
    assert after.intrinsics is not None
    kept = after.size[0] / round(before.size[0] * 0.62)
    assert torch.allclose(after.intrinsics[0, 0], before.intrinsics[0, 0] * kept)
    assert torch.equal(after.cam_from_world, before.cam_from_world)


def test_a_part_of_a_set_has_its_photos_cameras_and_depth(tmp_path: Path) -> None:
    write_sets(tmp_path, 1, 4, (30.0, 40.0), 64 * 64, 0)
    whole = load_photo_set(tmp_path / "scene_00")
    write_part(tmp_path / "scene_00", tmp_path / "part", range(1, 4, 2))
    part = load_photo_set(tmp_path / "part")
    assert [path.name for path in part.image_paths] == ["001.png", "003.png"]
    assert torch.equal(part.cameras.cam_from_world, whole.cameras.cam_from_world[1::2])
    assert torch.equal(part.load_depth(1), whole.load_depth(3))
