"""Numbers that fit are said to fit; numbers that mean something else are named as what they are."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks.drawn_photo_sets import write_sets
from PIL import Image

from glance3d.cli import main
from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_rays, pixel_grid
from glance3d.geometry.transforms import invert
from glance3d.photo_sets import PhotoSet, load_photo_set
from glance3d.photo_sets.checking import advice, check_photo_set, describe_check
from glance3d.photo_sets.checking.readings import ReadingScore, _simplest, is_clearly_better
from glance3d.photo_sets.conventions import Conventions
from tests.photo_sets.drawn import GL, drawn_room, write_cameras_json, write_colmap

ROOM = drawn_room()


@pytest.fixture(scope="module")
def with_depth(tmp_path_factory) -> PhotoSet:
    return load_photo_set(write_cameras_json(ROOM, tmp_path_factory.mktemp("depth") / "room"))


@pytest.fixture(scope="module")
def with_points(tmp_path_factory) -> PhotoSet:
    return load_photo_set(write_colmap(ROOM, tmp_path_factory.mktemp("points") / "room"))


def _with_poses(photos: PhotoSet, poses: torch.Tensor) -> PhotoSet:
    return replace(photos, cameras=replace(photos.cameras, cam_from_world=poses))


def _inverted(photos: PhotoSet) -> PhotoSet:
    return _with_poses(photos, invert(photos.cameras.cam_from_world))


def _opengl(photos: PhotoSet) -> PhotoSet:
    return _with_poses(photos, photos.cameras.cam_from_world * GL[:, None])


def _opengl_inverted(photos: PhotoSet) -> PhotoSet:
    return _inverted(_opengl(photos))


def _of_twice_the_size(photos: PhotoSet) -> PhotoSet:
    intrinsics = photos.cameras.intrinsics.clone()
    intrinsics[:, :2] *= 2
    return replace(photos, cameras=replace(photos.cameras, intrinsics=intrinsics))


def _in_metres_instead_of_millimetres(photos: PhotoSet) -> PhotoSet:
    assert photos.depth_scale is not None
    return replace(photos, depth_scale=photos.depth_scale * 1000)


MISREAD = {
    "--poses camera-to-world": _inverted,
    "--axes opengl": _opengl,
    "--poses camera-to-world --axes opengl": _opengl_inverted,
    "--intrinsics-factor 2": _of_twice_the_size,
}


def test_geometry_that_closes_is_left_alone(with_depth, with_points) -> None:
    for photos, largest in ((with_depth, 0.01), (with_points, 0.1)):
        check = check_photo_set(photos)
        assert check.closes
        assert check.better is None
        assert check.stated is not None
        assert check.stated.error < largest
        assert "closes" in describe_check(check)
    assert check_photo_set(with_depth).overlap > 0.1


@pytest.mark.parametrize("flags", [*MISREAD, "--depth-factor 0.001"])
def test_misread_depth_sets_are_named(with_depth, flags: str) -> None:
    misread = {**MISREAD, "--depth-factor 0.001": _in_metres_instead_of_millimetres}[flags]
    check = check_photo_set(misread(with_depth))
    assert check.closes is False
    assert check.better is not None
    assert check.better.conventions.flags(check.read_as) == flags
    assert flags in advice(check)
    assert check_photo_set(misread(with_depth), check.better.conventions).closes


def test_long_lenses_see_more_in_common_where_all_is_nearer(tmp_path: Path) -> None:
    """Which is no reason to name a unit that nobody measures in."""
    write_sets(tmp_path, 4, 6, (8.0, 14.0), 96 * 96, seed=7)
    for folder in sorted(tmp_path.iterdir()):
        check = check_photo_set(_in_metres_instead_of_millimetres(load_photo_set(folder)))
        assert check.better is not None
        assert check.better.conventions.flags(check.read_as) == "--depth-factor 0.001"


def test_what_explains_more_but_roughly_is_not_better() -> None:
    """As for a long lens that was right and told that its depth was in inches."""
    right = ReadingScore(Conventions(), 0.37, 0.0005, True)
    rough = ReadingScore(Conventions(depth_factor=39.37), 0.60, 0.0205, True)
    assert not is_clearly_better(rough, right)
    assert is_clearly_better(replace(rough, error=0.0004), right)
    wrong = replace(right, error=0.11, closes=False)
    assert is_clearly_better(rough, wrong)


@pytest.mark.parametrize("flags", MISREAD)
def test_misread_points_are_named(with_points, flags: str) -> None:
    check = check_photo_set(MISREAD[flags](with_points))
    assert check.closes is False
    assert check.better is not None
    assert check.better.conventions.flags(check.read_as) == flags


def _along_the_ray(folder: Path) -> PhotoSet:
    """The room with the distance from the camera as its depth, which its file does not say."""
    height, width = ROOM.depth.shape[1:]
    pixels = pixel_grid(height, width).flatten(0, 1).double().expand(len(ROOM.depth), -1, -1)
    lengths = camera_rays(pixels, ROOM.intrinsics).norm(dim=-1).view_as(ROOM.depth)
    room = write_cameras_json(ROOM, folder / "room", (ROOM.depth * lengths).float())
    return load_photo_set(room)


def test_depth_along_the_ray_is_named(tmp_path: Path) -> None:
    check = check_photo_set(_along_the_ray(tmp_path))
    assert check.closes is False
    assert check.better is not None
    assert check.better.conventions == Conventions(depth_along="ray")


def test_all_flags_are_named_that_are_needed_together(tmp_path: Path) -> None:
    """Whoever gives what the check names is not sent back to what was given before."""
    photos = _in_metres_instead_of_millimetres(_along_the_ray(tmp_path))
    for given in (
        Conventions(),
        Conventions(depth_factor=0.001),
        Conventions(depth_along="ray"),
    ):
        check = check_photo_set(photos, given)
        assert check.closes is False
        assert check.flags == "--depth-factor 0.001 --depth-along ray"


def test_maps_in_which_nothing_is_known_are_named(with_depth, tmp_path: Path) -> None:
    folder = write_cameras_json(ROOM, tmp_path / "room")
    unknown = Image.new("I;16", ROOM.size)
    unknown.save(folder / "depth" / "001.png")
    check = check_photo_set(load_photo_set(folder))
    assert check.closes
    assert check.overlap > 0.3
    assert check.warnings == ("nothing is known in the depth maps of 001.png",)
    for view in range(6):
        unknown.save(folder / "depth" / f"{view:03d}.png")
    check = check_photo_set(load_photo_set(folder))
    assert check.closes is None
    assert "nan" not in describe_check(check)
    assert "not verified" in describe_check(check)


def test_of_readings_that_fit_the_one_is_named_that_changes_least() -> None:
    """Along a narrow lens z and ray are nearly the same: what little more agrees is no reason."""
    stated = Conventions()
    inverted = replace(stated, poses="camera-to-world")
    both = replace(inverted, depth_along="ray")
    scores = [
        ReadingScore(stated, 0.02, 0.3, False),
        ReadingScore(both, 0.411, 0.0026, True),
        ReadingScore(inverted, 0.410, 0.0002, True),
    ]
    assert _simplest(scores, stated).conventions == inverted
    # Where the ray is meant, errors along z are many times as large.
    meant = [replace(scores[1], error=0.0002), replace(scores[2], error=0.0026)]
    assert _simplest([scores[0], *meant], stated).conventions == both
    unknown = [replace(score, error=math.nan) for score in scores]
    assert _simplest(unknown, stated).conventions == both


def test_what_nothing_fits_gets_no_flags(with_depth) -> None:
    shuffled = _with_poses(with_depth, with_depth.cameras.cam_from_world.flip(0))
    check = check_photo_set(shuffled)
    assert check.closes is False
    assert check.better is None
    assert "none of the usual other readings fits" in advice(check)


def test_nothing_to_tell_by_is_neither(with_depth) -> None:
    check = check_photo_set(replace(with_depth, depth_paths=(None,) * len(with_depth)))
    assert check.closes is None
    assert "not verified" in describe_check(check)


def test_the_command_refuses_what_does_not_close(tmp_path: Path, capsys) -> None:
    folder = write_cameras_json(ROOM, tmp_path / "room")
    assert main(["finetune", "check", str(folder)]) == 0
    assert "closes: depth differs by" in capsys.readouterr().out
    assert main(["finetune", "check", str(folder), "--depth-factor", "100"]) == 1
    printed = capsys.readouterr()
    assert "does not close" in printed.out
    assert "--depth-factor 1" in printed.err
    assert main(["finetune", "check", str(folder), "--json", "--axes", "opencv"]) == 0
    assert '"closes": true' in capsys.readouterr().out
    assert main(["finetune"]) == 2


def test_sets_of_one_name_are_told_apart(tmp_path: Path, capsys) -> None:
    one = write_cameras_json(ROOM, tmp_path / "one" / "room")
    other = write_cameras_json(ROOM, tmp_path / "other\x1b[31m" / "place")
    assert main(["finetune", "check", str(one), str(other), "--poses", "camera-to-world"]) == 1
    printed = capsys.readouterr()
    assert f"{one}\n" in printed.out
    assert "other\\x1b[31m/place (room)\n" in printed.out
    assert f"the geometry of {one} does not close" in printed.err
    command = ["finetune", str(one), str(other), "--axes", "opengl", "--out", str(tmp_path / "o")]
    assert main(command) == 1
    assert f"the geometry of {one} does not close" in capsys.readouterr().err


def test_a_set_that_cannot_be_read_ends_the_check_of_no_other(tmp_path: Path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    folder = write_cameras_json(ROOM, tmp_path / "room")
    assert main(["finetune", "check", str(tmp_path / "empty"), str(folder)]) == 1
    printed = capsys.readouterr()
    assert "cannot be read: " in printed.out
    assert "closes: depth differs by" in printed.out
    assert "has no cameras.json" in printed.err
    assert main(["finetune", "check", str(tmp_path / "empty"), str(folder), "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert "has no cameras.json" in first["error"]
    assert second["closes"] is True


def test_unknown_conventions_are_refused() -> None:
    with pytest.raises(InputError, match="poses must be"):
        Conventions(poses="both")
    with pytest.raises(InputError, match="depth_factor must be above 0"):
        Conventions(depth_factor=0.0)
