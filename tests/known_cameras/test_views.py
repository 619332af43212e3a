"""Each photo gets its own camera, in its own pixels, or one clear sentence why not."""

import pytest
import torch

from glance3d.errors import CamerasError
from glance3d.geometry.cameras import project_points
from glance3d.known_cameras import KnownCamera, KnownCameras

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
    views = known.for_views(["b.jpg", "a.jpg", "C.HEIC", "e.jpg"], [SIZE] * 4)
    assert whose(views) == [1, 0, 2, None]
    assert views.unused == ("d.jpg",)
    assert views.describe()["unknown"] == ["e.jpg"]


def test_a_file_name_wins_over_a_stem():
    views = known_of("a.png", "a.jpg").for_views(["a.jpg"], [SIZE])
    assert whose(views) == [1]


def test_dots_in_names_that_have_no_suffix():
    views = known_of("r/1305.1", "r/1305.2").for_views(["1305.2.png", "1305.1.png"], [SIZE] * 2)
    assert whose(views) == [1, 0]


def test_folders_decide_between_cameras_of_one_name():
    known = known_of("cam0/1.jpg", "cam1/1.jpg")
    sources = ["/data/run/cam1/1.jpg"]
    assert whose(known.for_views(["1.jpg"], [SIZE], sources=sources)) == [1]
    with pytest.raises(CamerasError, match=r"not clear which camera of a file is 1\.jpg's"):
        known.for_views(["1.jpg"], [SIZE])


def test_photos_that_would_share_a_camera_and_strangers_are_refused():
    with pytest.raises(CamerasError, match="would all have the camera of a"):
        known_of("a").for_views(["a.jpg", "a.png"], [SIZE] * 2)
    with pytest.raises(CamerasError, match=r"none of the photos \(x\.jpg, y\.jpg\).* knows a\.jpg"):
        known_of("a.jpg").for_views(["x.jpg", "y.jpg"], [SIZE] * 2)
    with pytest.raises(CamerasError, match="holds no cameras"):
        known_of()


@pytest.mark.parametrize("size", [(640, 480), (160, 120), (1067, 800), (107, 80)])
def test_intrinsics_of_another_size_are_scaled(size):
    views = known_of("a.jpg").for_views(["a.jpg"], [size])
    ratio = torch.tensor(size).double() / torch.tensor(SIZE)
    torch.testing.assert_close(views.intrinsics[0, :2, 2], K[:2, 2] * ratio)
    torch.testing.assert_close(views.intrinsics[0].diagonal()[:2], K.diagonal()[:2] * ratio)
    assert views.warnings == ()


def test_another_shape_is_not_used_and_said():
    views = known_of("a.jpg").for_views(["a.jpg"], [(320, 200)])
    assert views.has_pose.all()
    assert not views.has_intrinsics.any()
    assert "320x240 pixels, the photo is 320x200" in views.warnings[0]


def test_no_size_is_the_photos_own():
    views = known_of("a.jpg", size=None).for_views(["a.jpg"], [(330, 240)])
    assert torch.equal(views.intrinsics[0], K)
    views = known_of("a.jpg", size=None).for_views(["a.jpg"], [(160, 120)])
    assert not views.has_intrinsics.any()
    assert "principal point (170, 110) is far from the middle" in views.warnings[0]


@pytest.mark.parametrize("orientation", [6, 8])
def test_the_camera_of_a_photo_on_its_side_is_turned_upright(orientation):
    views = known_of("a.jpg").for_views(["a.jpg"], [SIZE[::-1]], orientations=[orientation])
    points = torch.tensor([[0.3, -0.2, 1.0], [0.0, 0.4, 2.0], [-0.5, 0.1, 3.0]]).double()
    stored, depth = project_points(points, POSE, K)
    upright, depth_upright = project_points(points, views.cam_from_world[0], views.intrinsics[0])
    x, y = stored.unbind(-1)
    # 6: the viewer turns the stored pixels clockwise; 8: counter-clockwise.
    wanted = [SIZE[1] - y, x] if orientation == 6 else [y, SIZE[0] - x]
    torch.testing.assert_close(upright, torch.stack(wanted, -1))
    torch.testing.assert_close(depth_upright, depth)
    assert "turned upright" in views.warnings[0]


def test_a_camera_that_speaks_of_the_upright_photo_stays():
    views = known_of("a.jpg", size=SIZE[::-1]).for_views(["a.jpg"], [SIZE[::-1]], orientations=[6])
    torch.testing.assert_close(views.cam_from_world[0], POSE)
    assert views.warnings == ()
