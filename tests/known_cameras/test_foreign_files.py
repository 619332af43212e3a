"""Files of cameras as other tools and editors write them, and damaged ones."""

import json
import math
import struct
import unicodedata

import pytest
import torch

from glance3d.errors import CamerasError
from glance3d.known_cameras import load_known_cameras, match_views

SIZE = (320, 240)
CAMERAS = "# list\n1 PINHOLE 320 240 300 310 161 119\n2 OPENCV_FISHEYE 320 240 3 3 1 1 0 0 0 0\n"
POSES = ["1 1 0 0 0 0.5 -1 2 1", "2 0 1 0 0 1.5 -1 2 1", "3 2 0 0 0 2.5 -1 2 2"]
NAMES = ["a.jpg", "dir/b c.jpg", "0003"]
POINTS = "100 200 -1 10.5 20.25 7 1 2 3"
HUGE = "1" + "0" * 400


def write_model(folder, points, *, cameras=CAMERAS, end="\n", encoding="utf-8", poses=POSES):
    """A text model whose photos are followed by ``points``, or by no line where that is None."""
    lines = ["# images"]
    for pose, name in zip(poses, NAMES, strict=False):
        lines += [f"{pose} {name}"] + ([] if points is None else [points])
    folder.mkdir(exist_ok=True)
    for name, text in (("cameras", cameras), ("images", "\n".join(lines) + "\n")):
        (folder / f"{name}.txt").write_bytes(text.replace("\n", end).encode(encoding))
    return folder


@pytest.mark.parametrize("points", [None, "", "  ", POINTS, POINTS * 2, "# left out"])
def test_images_txt_with_and_without_lines_of_points(tmp_path, points):
    known = load_known_cameras(write_model(tmp_path, points))
    assert [camera.name for camera in known.cameras] == NAMES
    assert [float(camera.cam_from_world[0, 3]) for camera in known.cameras] == [0.5, 1.5, 2.5]
    assert [camera.intrinsics is None for camera in known.cameras] == [False, False, True]
    assert len(known.warnings) == 1  # of the fisheye


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_editors_do_to_text_makes_no_difference(tmp_path, end, encoding):
    known = load_known_cameras(write_model(tmp_path, "", end=end, encoding=encoding))
    assert [camera.name for camera in known.cameras] == NAMES
    tabs = [pose.replace(" ", "\t") for pose in POSES]
    assert len(load_known_cameras(write_model(tmp_path, None, poses=tabs, end=end))) == 3


def test_lines_that_are_not_understood_are_named(tmp_path):
    folder = write_model(tmp_path, None, poses=[POSES[0], "2 0 1 0 0 nan 0 0 1", "3 1 0 0 0 0 1"])
    known = load_known_cameras(folder)
    assert [camera.name for camera in known.cameras] == ["a.jpg"]
    (warning,) = [text for text in known.warnings if "not understood" in text]
    assert "line 3 of images.txt" in warning
    assert "line 4 of images.txt: '3 1 0 0 0 0 1 0003'" in warning
    assert "is not finite" in warning
    many = write_model(tmp_path / "many", None)
    (many / "images.txt").write_text(f"{POSES[0]} a.jpg\n\n" + "no line of a model\n" * 9)
    (warning, _) = load_known_cameras(many).warnings
    assert warning.endswith("and 6 more")
    (many / "images.txt").write_text("no line of a model\n")
    with pytest.raises(CamerasError, match=r"images\.txt holds no photos: not understood.*line 1"):
        load_known_cameras(many)


@pytest.mark.parametrize(
    ("camera", "reason"),
    [
        ("1 OPENCV 320 240 300 310 161", "OPENCV must have 8 parameters, got 3"),
        ("1 PINHOLE 320 240 nan 310 161 119", "not finite"),
        ("1 PINHOLE 320 240 0 310 161 119", "pixels, got 0, 310"),
        ("1 PINHOLE 320 240 1e-300 310 161 119", "pixels, got 1e-300, 310"),
        ("1 PINHOLE 320 240 300 310 1e9 119", "the principal point 1e"),
        ("1 SIMPLE_RADIAL 320 240 300 161 119 1e30", "distortion tears the photo apart"),
        ("1 FULL_OPENCV 320 240 9 9 161 119 1 1 1 1 1e9 -1e9 1 -1", "tears the photo apart"),
        (f"1 PINHOLE {HUGE} 240 300 310 161 119", "wanted: number MODEL width"),
        ("1 PINHOLE 3.5 240 300 310 161 119", "wanted: number MODEL width"),
        ("1 PINHOLE 0 240 300 310 161 119", "a photo of 0 x 240 pixels"),
    ],
)
def test_a_camera_that_is_none_leaves_the_poses(tmp_path, camera, reason):
    known = load_known_cameras(write_model(tmp_path, "", cameras=camera + "\n"))
    assert len(known) == 3
    assert all(camera.intrinsics is None for camera in known.cameras)
    assert reason in known.warnings[0]
    assert "the cameras 1, 2 of its photos are not in it" in known.warnings[1]


def test_unknown_models_and_second_cameras_are_named(tmp_path):
    twice = CAMERAS + "1 PINHOLE 320 240 400 410 161 119\n3 WIDE_NEW 320 240 1 2\n"
    known = load_known_cameras(write_model(tmp_path, "", cameras=twice))
    assert float(known.cameras[0].intrinsics[0, 0]) == 300
    assert "camera 1 a second time" in known.warnings[0]
    assert any("WIDE_NEW are unknown" in warning for warning in known.warnings)


def test_a_model_below_the_folders_of_other_tools(tmp_path):
    for parts in (("sparse",), ("sparse", "0"), ("colmap", "sparse", "0"), ("dense", "sparse")):
        project = tmp_path / "-".join(parts)
        project.joinpath(*parts).mkdir(parents=True)
        write_model(project.joinpath(*parts), "")
        assert len(load_known_cameras(project)) == 3
        assert len(load_known_cameras(project.joinpath(*parts, "images.txt"))) == 3


def test_binary_files_are_held_against_their_length(tmp_path):
    camera = struct.pack("<IiQQ4d", 1, 1, 320, 240, 300.0, 310.0, 161.0, 119.0)
    image = struct.pack("<I7dI", 1, 1, 0, 0, 0, 0.5, 0, 0, 1) + b"a.jpg\0"
    point = struct.pack("<ddq", 1, 2, 3)
    whole = struct.pack("<Q", 1) + camera, struct.pack("<Q", 1) + image + b"\1" + bytes(7) + point
    absurd = struct.pack("<Q", 2**60)
    cases = {
        "announces 1152921504606846976 cameras": (absurd + camera, whole[1]),
        "announces 1152921504606846976 photos": (whole[0], absurd + image),
        "announces 1152921504606846976 points": (whole[0], whole[1][: -8 - 24] + absurd),
        "cut short, within a name": (whole[0], whole[1][:70] + b"x" * 40),
        "a name of more than 4096 bytes": (whole[0], whole[1][:70] + b"x" * 5000),
        "a camera of the model 99": (whole[0].replace(b"\1\0\0\0@", b"\x63\0\0\0@"), whole[1]),
    }
    for message, contents in cases.items():
        for name, content in zip(("cameras", "images"), contents, strict=True):
            (tmp_path / f"{name}.bin").write_bytes(content)
        with pytest.raises(CamerasError, match=message):
            load_known_cameras(tmp_path)
    for name, content in zip(("cameras", "images"), whole, strict=True):
        (tmp_path / f"{name}.bin").write_bytes(content + b"rest")
    known = load_known_cameras(tmp_path)
    assert known.cameras[0].name == "a.jpg"
    assert "4 bytes of cameras.bin (after the last record)" in known.warnings[0]


MATRIX = [[1.0, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
K = [[300.0, 0, 161], [0, 310, 119], [0, 0, 1]]
ANGLES = {"camera_angle_x": 2 * math.atan(160 / 300), "camera_angle_y": 2 * math.atan(120 / 310)}
FLAT = {"fl_x": 300.0, "fl_y": 310.0, "cx": 161.0, "cy": 119.0}
PLACED = {"cx": 161.0, "cy": 119.0}


def views_of(tmp_path, shared, *frames, names=("a.jpg", "b.jpg"), sizes=(SIZE, SIZE), **options):
    frames = [
        {"file_path": f"images/{n}", "transform_matrix": MATRIX, **frame}
        for n, frame in zip(names, frames or ({}, {}), strict=False)
    ]
    path = tmp_path / "transforms.json"
    path.write_text(json.dumps({**shared, "frames": frames}))
    return match_views(load_known_cameras(path), names, sizes, **options)


@pytest.mark.parametrize(
    "stated",
    [
        FLAT,
        {**FLAT, "w": 320, "h": 240},
        {"fx": 300, "fy": "310", "cx": 161, "cy": 119, "width": 320, "height": 240.0},
        {"K": K},
        {"intrinsics": K},
        {"intrinsic_matrix": [*map(float, K[0]), *K[1], *K[2]]},
        {"intrinsic": [[*row, 0] for row in K] + [[0, 0, 0, 1]]},
        {"camera_intrinsics": {"fx": 300, "fy": 310, "cx": 161, "cy": 119}},
        {**ANGLES, **PLACED, "w": 320, "h": 240},
    ],
)
@pytest.mark.parametrize("in_frames", [False, True])
def test_intrinsics_in_every_spelling(tmp_path, stated, in_frames):
    views = views_of(tmp_path, {}, stated, stated) if in_frames else views_of(tmp_path, stated)
    expected = torch.tensor(K, dtype=torch.float64).expand(2, 3, 3)
    torch.testing.assert_close(views.intrinsics, expected)
    assert views.warnings == ()


def test_what_a_frame_states_goes_before_what_all_share(tmp_path):
    views = views_of(tmp_path, {**FLAT, **ANGLES}, {"fl_x": 400.0}, {"camera_angle_x": 1.0})
    assert views.intrinsics[0].diagonal().tolist() == [400, 400, 1]
    focal = 160 / math.tan(0.5)
    assert views.focal_lengths.tolist() == pytest.approx([400, focal])
    only = views_of(tmp_path, {"camera_angle_y": 1.0}, {"transform_matrix": None}, {"K": K})
    assert only.has_pose.tolist() == [False, True]
    assert only.focal_lengths.tolist() == pytest.approx([120 / math.tan(0.5), math.sqrt(93000)])
    assert any("has no pose of 1 of its photos: a.jpg" in text for text in only.warnings)


@pytest.mark.parametrize(
    ("stated", "warning"),
    [
        ({"focal_length": 35}, "focal_length in it is not read"),
        ({"cx": 161, "k1": 0.1}, "cx, k1 without a focal length"),
        ({**FLAT, "k1": 0.1, "p1": 0.1}, "distortion by p1 is not used, because w and h"),
        ({"K": [[300, 5, 161], K[1], K[2]]}, "the skew of its cameras is not used"),
        ({**FLAT, "k4": 0.1}, "OPENCV with k4 are no pinholes: only their poses"),
        ({**FLAT, "cx": 322, "cy": 238}, "principal point (322, 238) is far from the middle"),
        ({**FLAT, "k1": 1e5}, "with such a focal length and distortion takes no photo"),
    ],
)
def test_intrinsics_that_are_not_used_are_named(tmp_path, stated, warning):
    assert any(warning in text for text in views_of(tmp_path, stated).warnings)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"w": int(HUGE), "h": 240, **FLAT}, r"w of frame 0 .* must be a finite number, got 1000"),
        (
            {"fl_x": 1e-300, "w": 320, "h": 240},
            "fl_x of frame 0 .* must be a number .*, got 1e-300",
        ),
        (
            {"fl_x": 0.1, "w": 320, "h": 240},
            "frame 0 .* has a lens whose focal length must be from .*, got 0.1",
        ),
        ({"camera_angle_x": 4.0}, "camera_angle_x of frame 0 .* must be a number .*, got 4"),
        ({"K": [[1, 2], [3, 4]]}, r"K of frame 0 .* must have shape"),
        ({"K": [[[[1]]]] * 3}, r"K of frame 0"),
        ({"cx": True, **{"fl_x": 3.0}}, "cx of frame 0 .* must be a finite number, got True"),
    ],
)
def test_absurd_numbers_are_refused_by_name(tmp_path, stated, message):
    with pytest.raises(CamerasError, match=message):
        views_of(tmp_path, stated)


def test_absurd_poses_are_refused_by_name(tmp_path):
    far = [[1, 0, 0, 1e300], *MATRIX[1:]]
    with pytest.raises(CamerasError, match=r"frame 0 .* must lie within .* units, got 1e\+300"):
        views_of(tmp_path, {}, {"transform_matrix": far})
    (tmp_path / "a.tum").write_text("0 1e300 0 0 0 0 0 1\n")
    with pytest.raises(CamerasError, match=r"line 1 of .* must lie within .* units, got 1e\+300"):
        load_known_cameras(tmp_path / "a.tum")
    (tmp_path / "a.tum").write_text("0 1 0 0 0 0 0 1e-300\n", encoding="utf-16")
    with pytest.raises(CamerasError, match="must be timestamp tx"):
        load_known_cameras(tmp_path / "a.tum")


def test_names_are_the_same_however_they_are_written(tmp_path):
    stored = unicodedata.normalize("NFD", "Küche 1.jpg")
    views = views_of(
        tmp_path, FLAT, {"file_path": "./Bilder/Küche 1.jpg"}, names=[stored], sizes=[SIZE]
    )
    assert views.has_pose.all()
    assert views.warnings == ()
    odd = [{"file_path": "A.JPG"}, {"file_path": "x\\b.png"}, {"file_path": "c"}]
    photos = ["a.jpg", "b.jpg", "c.heic"]
    views = views_of(tmp_path, FLAT, *odd, names=photos, sizes=[SIZE] * 3)
    assert views.has_pose.all()
    assert [text.split(": ")[1] for text in views.warnings] == [
        "A.JPG for a.jpg",
        "b.png for b.jpg",
    ]


def test_the_file_counts_where_the_view_was_renamed(tmp_path):
    cameras = [{"file_path": "cam0/1.jpg", "fl_x": 300.0}, {"file_path": "cam1/1.jpg", "fl_x": 4e2}]
    views = views_of(
        tmp_path,
        {},
        *cameras,
        names=["cam1_1.jpg", "cam0_1.jpg"],
        sources=["/data/cam1/1.jpg", "/data/cam0/1.jpg"],
    )
    assert views.focal_lengths.tolist() == [400, 300]
    views = views_of(
        tmp_path,
        {},
        cameras[0],
        names=["cam1_1.jpg", "cam0_1.jpg"],
        sources=["/data/cam1/1.jpg", "/data/cam0/1.jpg"],
    )
    assert views.has_pose.tolist() == [False, True]


def test_cameras_and_photos_that_find_no_partner_are_named(tmp_path):
    names = ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
    views_of(tmp_path, FLAT, *[{}] * 5, names=names, sizes=[SIZE] * 5)
    known = load_known_cameras(tmp_path)
    views = match_views(known, ["a.jpg", "x.jpg"], [SIZE] * 2)
    assert views.warnings == (
        f"4 of 5 cameras in {known.source} are of none of these photos: images/b.jpg, "
        "images/c.jpg, images/d.jpg and 1 more",
        f"1 of 2 photos have no camera in {known.source}: x.jpg",
    )
