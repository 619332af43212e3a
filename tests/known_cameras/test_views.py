"""Each photo gets its own camera, in its own pixels, or one clear sentence why not."""

from dataclasses import replace

import pytest
import torch

from glance3d.errors import CamerasError
from glance3d.geometry.cameras import project_points
from glance3d.known_cameras import (
    KnownCamera,
    KnownCameras,
    match_known_cameras,
    match_views,
    settle_by_poses,
    settle_reading,
)
from glance3d.known_cameras.matching.orientation import turned_upright
from tests.exporters.analytic import build_scene

K = torch.tensor([[300.0, 0, 170], [0, 310, 110], [0, 0, 1]]).double()
POSE = torch.tensor([[1.0, 0, 0, 0.5], [0, 1, 0, -0.25], [0, 0, 1, 2]]).double()
SIZE = (320, 240)


def known_of(*names, **fields):
    fields = {"cam_from_world": POSE, "intrinsics": K, "size": SIZE, **fields}
    cameras = []
    for number, name in enumerate(names):
        pose = fields["cam_from_world"].clone()
        pose[0, 3] += number
        cameras.append(KnownCamera(name, **{**fields, "cam_from_world": pose}))
    return KnownCameras("a file", "cameras.json", tuple(cameras), "w")


def whose(views):
    """Which camera of the file each view was given."""
    return [None if x != x else round(x - 0.5) for x in views.cam_from_world[:, 0, 3].tolist()]


def test_file_names_then_stems_without_case():
    known = known_of("images/A.JPG", "sub\\b.png", "c", "d.jpg")
    views = match_views(known, ["b.jpg", "a.jpg", "C.HEIC", "e.jpg"], [SIZE] * 4)
    assert whose(views) == [1, 0, 2, None]
    assert views.unused == ("d.jpg",)
    assert views.describe()["unknown"] == ["e.jpg"]


def test_known_cameras_match_photos_by_methods_too(tmp_path):
    scene = build_scene(tmp_path)
    known = known_of(*scene.names)
    assert whose(known.for_scene(scene)) == whose(match_known_cameras(known, scene))
    assert whose(known_of("a.jpg").for_views(["a.jpg"], [SIZE])) == [0]


def test_a_file_name_wins_over_a_stem():
    views = match_views(known_of("a.png", "a.jpg"), ["a.jpg"], [SIZE])
    assert whose(views) == [1]


def test_dots_in_names_that_have_no_suffix():
    views = match_views(known_of("r/1305.1", "r/1305.2"), ["1305.2.png", "1305.1.png"], [SIZE] * 2)
    assert whose(views) == [1, 0]


def test_folders_decide_between_cameras_of_one_name():
    known = known_of("cam0/1.jpg", "cam1/1.jpg")
    sources = ["/data/run/cam1/1.jpg"]
    assert whose(match_views(known, ["1.jpg"], [SIZE], sources=sources)) == [1]
    with pytest.raises(CamerasError, match=r"not clear which camera of a file is 1\.jpg's"):
        match_views(known, ["1.jpg"], [SIZE])


def test_photos_that_would_share_a_camera_and_strangers_are_refused():
    with pytest.raises(CamerasError, match="would all have the camera of a"):
        match_views(known_of("a"), ["a.jpg", "a.png"], [SIZE] * 2)
    with pytest.raises(CamerasError, match=r"none of the photos \(x\.jpg, y\.jpg\).* knows a\.jpg"):
        match_views(known_of("a.jpg"), ["x.jpg", "y.jpg"], [SIZE] * 2)
    with pytest.raises(CamerasError, match="must hold cameras"):
        known_of()


@pytest.mark.parametrize("size", [(640, 480), (160, 120), (1067, 800), (107, 80)])
def test_intrinsics_of_another_size_are_scaled(size):
    views = match_views(known_of("a.jpg"), ["a.jpg"], [size])
    ratio = torch.tensor(size).double() / torch.tensor(SIZE)
    torch.testing.assert_close(views.intrinsics[0, :2, 2], K[:2, 2] * ratio)
    torch.testing.assert_close(views.intrinsics[0].diagonal()[:2], K.diagonal()[:2] * ratio)
    assert views.warnings == ()


def test_another_shape_is_not_used_and_said():
    views = match_views(known_of("a.jpg"), ["a.jpg"], [(320, 200)])
    assert views.has_pose.all()
    assert not views.has_intrinsics.any()
    assert "320x240 pixels, the photo is 320x200" in views.warnings[0]


def test_no_size_is_the_photos_own():
    views = match_views(known_of("a.jpg", size=None), ["a.jpg"], [(330, 240)])
    assert torch.equal(views.intrinsics[0], K)
    views = match_views(known_of("a.jpg", size=None), ["a.jpg"], [(160, 120)])
    assert not views.has_intrinsics.any()
    assert "principal point (170, 110) is far from the middle" in views.warnings[0]


@pytest.mark.parametrize("orientation", [6, 8])
def test_the_camera_of_a_photo_on_its_side_is_turned_upright(orientation):
    views = match_views(known_of("a.jpg"), ["a.jpg"], [SIZE[::-1]], orientations=[orientation])
    points = torch.tensor([[0.3, -0.2, 1.0], [0.0, 0.4, 2.0], [-0.5, 0.1, 3.0]]).double()
    stored, depth = project_points(points, POSE, K)
    upright, depth_upright = project_points(points, views.cam_from_world[0], views.intrinsics[0])
    x, y = stored.unbind(-1)
    # 6: the viewer turns the stored pixels clockwise; 8: counter-clockwise.
    wanted = [SIZE[1] - y, x] if orientation == 6 else [y, SIZE[0] - x]
    torch.testing.assert_close(upright, torch.stack(wanted, -1))
    torch.testing.assert_close(depth_upright, depth)
    assert "turned upright" in views.warnings[0]


TURNS = {
    2: lambda x, y, w, h: (w - x, y),
    3: lambda x, y, w, h: (w - x, h - y),
    4: lambda x, y, w, h: (x, h - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (h - y, x),
    7: lambda x, y, w, h: (h - y, w - x),
    8: lambda x, y, w, h: (y, w - x),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_intrinsics_of_stored_pixels_are_turned_like_the_pixels(orientation):
    stored = KnownCamera("a.jpg", intrinsics=K, radial=0.1, size=SIZE)
    upright = turned_upright(stored, orientation)
    turn = TURNS[orientation]
    for x, y in ((0.0, 0.0), (300.0, 20.0), (170.0, 110.0)):
        u, v = abs(x - K[0, 2]) / K[0, 0], abs(y - K[1, 2]) / K[1, 1]
        turned = torch.tensor(turn(x, y, *SIZE)).double()
        rays = (turned - upright.intrinsics[:2, 2]).abs() / upright.intrinsics.diagonal()[:2]
        assert sorted(rays.tolist()) == pytest.approx(sorted([float(u), float(v)]))
    assert (upright.size == SIZE) == (orientation < 5)
    assert upright.radial == 0.1
    posed = turned_upright(KnownCamera("a.jpg", POSE), orientation)
    assert (posed.cam_from_world is None) == (orientation in (2, 4, 5, 7))


def upside_down(**fields):
    """Two cameras, the photo of the second held upside down or, if square, on its side."""
    return known_of("a.jpg", "b.jpg", **fields)


@pytest.mark.parametrize(
    ("size", "orientation", "fields"),
    [
        (SIZE, 3, {}),
        (SIZE, 3, {"size": None, "intrinsics": None}),
        ((240, 240), 6, {"size": (240, 240), "intrinsics": K.clone()}),
        ((240, 320), 6, {"size": None, "intrinsics": None}),
    ],
)
def test_where_sizes_cannot_tell_both_readings_are_kept(size, orientation, fields):
    known = upside_down(**fields)
    views = match_views(known, ["a.jpg", "b.jpg"], [SIZE, size], orientations=[1, orientation])
    assert views.ambiguous == ("b.jpg",)
    upright, stored = (reading.cam_from_world for reading in (views, views.as_stored))
    assert torch.equal(upright[0], stored[0])
    assert torch.equal(upright[1], known.cameras[1].cam_from_world)
    assert not torch.equal(upright[1], stored[1])
    preferred = settle_reading(views, lambda reading: 0, lambda reading: len(reading.ambiguous))
    assert torch.equal(preferred.cam_from_world, upright)
    assert not any("stored" in text for text in preferred.warnings)
    preferred = settle_reading(views, lambda reading: -len(reading.ambiguous))
    assert torch.equal(preferred.cam_from_world, stored)
    assert any("b.jpg are of the photos as they are stored" in t for t in preferred.warnings)
    undecided = settle_reading(views, lambda reading: 0)
    assert torch.equal(undecided.cam_from_world, upright)
    assert undecided.describe()["ambiguous_orientation"] == ["b.jpg"]
    assert "whether the known cameras of b.jpg are of the upright" in undecided.warnings[-1]


def test_one_photo_whose_size_tells_speaks_for_the_whole_file():
    known = known_of("a.jpg", "b.jpg", "c.jpg")
    names, sizes = ["a.jpg", "b.jpg", "c.jpg"], [SIZE, SIZE, SIZE[::-1]]
    views = match_views(known, names, sizes, orientations=[1, 3, 6])
    assert views.as_stored is None
    half_turn = torch.diag(torch.tensor([-1.0, -1, 1])).double()
    assert torch.equal(views.cam_from_world[1], half_turn @ known.cameras[1].cam_from_world)
    assert views.warnings == (
        "the known cameras of b.jpg, c.jpg are of the photos as they are stored (EXIF orientation "
        "3, 6): turned upright",
    )


def test_a_half_turn_changes_nothing_where_only_a_centred_lens_is_known():
    centred = torch.tensor([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]]).double()
    known = KnownCameras("a file", "test", (KnownCamera("a.jpg", intrinsics=centred),), "w")
    views = match_views(known, ["a.jpg"], [SIZE], orientations=[3])
    assert views.as_stored is None
    assert views.ambiguous == ()


@pytest.mark.parametrize("turned", [[3, 3, 3, 3], [1, 3, 1, 3]])
@pytest.mark.parametrize("of_stored", [False, True])
def test_poses_of_the_scene_tell_which_pixels_are_meant(tmp_path, turned, of_stored):
    scene = build_scene(tmp_path)
    placements = [
        replace(p, exif_orientation=o) for p, o in zip(scene.placements, turned, strict=True)
    ]
    scene = replace(scene, placements=tuple(placements))
    half_turn = torch.diag(torch.tensor([-1.0, -1, 1])).double()
    poses = scene.cameras.cam_from_world.double()
    cameras = [
        KnownCamera(name, half_turn @ pose if of_stored and orientation == 3 else pose)
        for name, pose, orientation in zip(scene.names, poses, turned, strict=True)
    ]
    known = KnownCameras("a file", "test", tuple(cameras), "w")
    views = settle_by_poses(match_known_cameras(known, scene), scene)
    torch.testing.assert_close(views.cam_from_world, poses)
    assert views.ambiguous == ()


def test_a_camera_that_speaks_of_the_upright_photo_stays():
    views = match_views(
        known_of("a.jpg", size=SIZE[::-1]), ["a.jpg"], [SIZE[::-1]], orientations=[6]
    )
    torch.testing.assert_close(views.cam_from_world[0], POSE)
    assert views.warnings == ()
