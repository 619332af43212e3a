"""The folder that ``glance3d reconstruct`` writes, and single exports by name."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

from glance3d.errors import InputError, OutputError, SceneError
from glance3d.exporters import FORMATS, export, infer_format, load_scene, write_scene_folder
from glance3d.photo_sets import load_photo_set
from glance3d.results import MANIFEST_FILE
from glance3d.types import PhotoMask, Report
from tests.exporters.analytic import build_scene, without_points
from tests.file_limit import files_of_at_most

EVERYTHING = {
    "scene.npz",
    "cameras.json",
    *(f"images/{name}" for name in ("a.jpg", "b.png", "C.JPG", "d.jpg")),
    *(f"sparse/0/{name}.bin" for name in ("cameras", "images", "points3D")),
    "points.ply",
    "scene.glb",
    *(f"depth/{name}.png" for name in "abCd"),
    *(f"depth/{name}_preview.jpg" for name in "abCd"),
    "depth/depth.json",
    "transforms.json",
    "report.json",
    "scene.html",
}


def files_below(folder):
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return names - {MANIFEST_FILE}


def test_everything_is_written_and_returned(scene, tmp_path):
    written = write_scene_folder(scene, tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix() for path in written} == EVERYTHING
    assert files_below(tmp_path / "out") == EVERYTHING
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["model"] == "analytic"
    assert report["warnings"] == ["an earlier warning"]
    assert set(report["export"]["files"]) == EVERYTHING - {"report.json", "scene.html"}
    assert load_scene(tmp_path / "out").names == scene.names


def test_cameras_json_has_the_layout_of_the_photo_sets(scene, tmp_path):
    write_scene_folder(scene, tmp_path)
    content = json.loads((tmp_path / "cameras.json").read_text())
    for view, entry in enumerate(content["views"]):
        assert (tmp_path / entry["image"]).is_file()
        assert (tmp_path / entry["depth"]).is_file()
        assert entry["source"] == scene.sources[view]
        assert tuple(entry["size"]) == scene.placements[view].original_size
        assert torch.equal(torch.tensor(entry["intrinsics"]), scene.cameras.intrinsics[view])
        assert torch.equal(
            torch.tensor(entry["cam_from_world"]), scene.cameras.cam_from_world[view]
        )
    assert content["metric"] is False
    assert content["depth_scale"] > 0
    assert "OpenCV" in content["conventions"]["axes"]


def test_the_folder_reads_back_as_a_photo_set(scene, tmp_path):
    write_scene_folder(scene, tmp_path)
    photos = load_photo_set(tmp_path)
    torch.testing.assert_close(photos.cameras.cam_from_world, scene.cameras.cam_from_world)
    torch.testing.assert_close(photos.cameras.intrinsics, scene.cameras.intrinsics)
    assert photos.has_depth
    assert photos.load_depth(0).shape == (240, 320)
    true_median = scene.depth[0][scene.mask[0]].median().item()
    assert photos.load_depth(0).median().item() == pytest.approx(true_median, rel=0.01)


def test_cameras_written_again_still_name_the_depth_beside_them(scene, tmp_path):
    write_scene_folder(scene, tmp_path)
    before = (tmp_path / "cameras.json").read_bytes()
    export(scene, tmp_path / "cameras.json")
    assert (tmp_path / "cameras.json").read_bytes() == before
    another = replace(scene, depth=2 * scene.depth)
    export(another, tmp_path / "cameras.json")
    assert b"depth/a.png" not in (tmp_path / "cameras.json").read_bytes()


def test_writing_again_gives_the_same_files(scene, tmp_path):
    write_scene_folder(scene, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in EVERYTHING}
    write_scene_folder(scene, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in EVERYTHING} == before


def test_cameras_alone_leave_out_what_needs_points_and_say_so(scene, tmp_path):
    write_scene_folder(without_points(scene), tmp_path)
    left_out = {n for n in EVERYTHING if n.startswith("depth/") or n == "points.ply"}
    assert files_below(tmp_path) == EVERYTHING - left_out
    warnings = json.loads((tmp_path / "report.json").read_text())["warnings"]
    assert any("points.ply was not written" in warning for warning in warnings)
    assert any("depth was not written" in warning for warning in warnings)
    transforms = json.loads((tmp_path / "transforms.json").read_text())
    assert not {"ply_file_path", "depth_unit_scale_factor"} & set(transforms)
    assert json.loads((tmp_path / "cameras.json").read_text())["depth_scale"] is None


def test_a_scene_whose_depth_is_all_unusable_still_gives_a_folder(scene, tmp_path):
    nowhere = torch.full_like(scene.depth, torch.nan)
    points = torch.full_like(scene.points_world, torch.nan)
    write_scene_folder(replace(scene, depth=nowhere, points_world=points), tmp_path)
    assert files_below(tmp_path) == EVERYTHING - {"points.ply"}
    assert "ply_file_path" not in json.loads((tmp_path / "transforms.json").read_text())


def test_gone_photos_are_warnings_in_the_report(tmp_path):
    scene = build_scene(tmp_path, photos=False)
    write_scene_folder(scene, tmp_path / "out")
    assert files_below(tmp_path / "out") == {n for n in EVERYTHING if "images/" not in n}
    warnings = json.loads((tmp_path / "out" / "report.json").read_text())["warnings"]
    assert sum("is not in images/" in warning for warning in warnings) == 4


def test_one_photo(tmp_path):
    write_scene_folder(build_scene(tmp_path, 1), tmp_path / "out")
    frames = json.loads((tmp_path / "out" / "transforms.json").read_text())
    assert len(frames["frames"]) == 1
    assert frames["fl_x"] == 300


def test_a_choice_of_formats(scene, tmp_path):
    write_scene_folder(scene, tmp_path, formats=["ply", "cameras"], max_points=10)
    assert files_below(tmp_path) == {"points.ply", "cameras.json"}
    assert "depth" not in json.loads((tmp_path / "cameras.json").read_text())["views"][0]
    assert b"element vertex 10\n" in (tmp_path / "points.ply").read_bytes()


def test_nerfstudio_alone_is_complete(scene, tmp_path):
    export(scene, tmp_path / "nerfstudio")
    content = json.loads((tmp_path / "nerfstudio" / "transforms.json").read_text())
    assert (tmp_path / "nerfstudio" / content["ply_file_path"]).is_file()
    for frame in content["frames"]:
        assert (tmp_path / "nerfstudio" / frame["file_path"]).is_file()
        with Image.open(tmp_path / "nerfstudio" / frame["depth_file_path"]) as depth:
            assert depth.size == (frame["w"], frame["h"])


def test_the_percentile_and_the_budget_thin_the_cloud(scene, tmp_path):
    sizes = []
    for options in ({"percentile": 0.0}, {}, {"percentile": 75.0}, {"max_points": 5}):
        path = export(scene, tmp_path / "p.ply", **options)[0]
        sizes.append((path.stat().st_size - 300) // 15)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] == pytest.approx(sizes[0] / 4, rel=0.01)


@pytest.mark.parametrize(
    ("path", "format"),
    [
        ("x.npz", "npz"),
        ("a/Cloud.PLY", "ply"),
        ("x.glb", "glb"),
        ("cameras.json", "cameras"),
        ("transforms.json", "nerfstudio"),
        ("report.json", "report"),
        ("out/sparse", "colmap"),
        ("out/sparse/0", "colmap"),
        ("depth", "depth"),
        ("images", "images"),
        ("run.tum", "tum"),
        ("poses.kitti", "kitti"),
        ("depth_tiff", "depth-tiff"),
        ("depth_exr", "depth-exr"),
        ("cloud.las", "las"),
        ("cloud.LAZ", "las"),
        ("gaussians.ply", "gaussians"),
        ("a/scene.rrd", "rerun"),
    ],
)
def test_the_path_tells_the_format(path, format):
    assert infer_format(Path(path)) == format


@pytest.mark.parametrize("path", ["x.obj", "x.json", "somewhere"])
def test_a_path_that_tells_nothing_lists_the_formats(scene, path):
    with pytest.raises(InputError, match=r"give format= one of: npz .*report"):
        export(scene, path)


def test_wrong_requests_are_one_sentence(scene, tmp_path):
    with pytest.raises(InputError, match="unknown export format 'stl': choose from npz"):
        export(scene, tmp_path / "x.stl", format="stl")
    with pytest.raises(InputError, match="unknown export option colour: choose from percentile"):
        export(scene, tmp_path / "x.ply", colour="red")
    with pytest.raises(InputError, match=r"percentile must be .*, got 100"):
        export(scene, tmp_path / "x.ply", percentile=100.0)
    with pytest.raises(InputError, match="max_points must be at least 1, got 0"):
        export(scene, tmp_path / "x.ply", max_points=0)
    with pytest.raises(SceneError, match="cannot export to ply: the scene has no points"):
        export(without_points(scene), tmp_path / "x.ply")
    assert files_below(tmp_path) == set()


def test_every_format_is_described():
    for exporter in FORMATS.values():
        assert exporter.description
        assert exporter.path_in_folder
    assert FORMATS["npz"].read is load_scene


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_disk_that_fills_up_leaves_nothing_half_written(scene, tmp_path, name):
    noise = [torch.rand(p.original_size[::-1]) > 0.5 for p in scene.placements]
    masks = tuple(PhotoMask.from_array(keep.numpy()) for keep in noise)
    scene = replace(scene, report=Report.from_json({"long": "x" * 3000}), masks=masks)
    with files_of_at_most(200), pytest.raises(OutputError, match="cannot write"):
        export(scene, tmp_path / "out", format=name)
    assert files_below(tmp_path) == set()


def test_a_full_disk_in_the_middle_keeps_the_earlier_result(scene, tmp_path, monkeypatch):
    write_scene_folder(without_points(scene), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)}
    real = Path.write_bytes

    def full(self, content):
        if self.suffix == ".glb":
            real(self, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"scene\.glb: the disk is full"):
        write_scene_folder(scene, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)} == before


class _Work(TorchDispatchMode):
    """Counts the numbers that torch computes within the block."""

    def __init__(self) -> None:
        super().__init__()
        self.num_elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        made = result if isinstance(result, tuple | list) else (result,)
        self.num_elements += sum(one.numel() for one in made if isinstance(one, torch.Tensor))
        return result


def test_eight_views_take_little_work(tmp_path):
    scene = build_scene(tmp_path, 8)
    with _Work() as work:
        write_scene_folder(scene, tmp_path / "out")
    num_pixels = scene.mask.numel()
    assert work.num_elements < 2_000 * num_pixels
