"""A scene comes back as it was; a file that is no scene is one sentence."""

import json
import tracemalloc
import zipfile
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
import torch

from glance3d.errors import SceneError
from glance3d.exporters import export, load_scene
from glance3d.geometry.cameras import unproject_depth
from glance3d.types import (
    PhotoContent,
    PhotoMetadata,
    Report,
    ReportWarning,
    SparsePoints,
    ViewTrust,
)
from tests.exporters.analytic import with_tracks, without_points


def assert_same(a, b, rtol=0.0):
    for field in fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name == "home":  # where a scene was loaded from is not in it
            continue
        if isinstance(x, torch.Tensor):
            assert x.dtype == y.dtype
            tolerance = rtol if field.name == "points_world" else 0.0
            torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance, equal_nan=True)
        elif is_dataclass(x):
            assert_same(x, y)
        else:
            assert x == y, field.name


def test_a_scene_comes_back_exactly(scene, tmp_path):
    report = Report.from_json({"a": [1, None, "ü"]})
    scene = with_tracks(replace(scene, units="metre", report=report))
    export(scene, tmp_path / "scene.npz")
    loaded = load_scene(tmp_path)
    assert_same(scene, loaded, rtol=1e-5)  # points are made from depth again
    export(loaded, tmp_path / "again.npz")
    assert_same(loaded, load_scene(tmp_path / "again.npz"))
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "scene.npz").read_bytes()


def test_the_views_of_queries_come_back(scene, tmp_path):
    tracks = replace(with_tracks(scene).tracks, query_views=torch.tensor([0, 1, 1]))
    export(replace(scene, tracks=tracks), tmp_path / "scene.npz")
    assert_same(tracks, load_scene(tmp_path).tracks)


def test_points_that_depth_does_not_give_are_kept(scene, tmp_path):
    moved = replace(scene, points_world=scene.points_world + 0.01)
    head = replace(scene, depth=None, points_from="points")
    for number, kept in enumerate((moved, head)):
        export(kept, tmp_path / f"{number}.npz")
        assert_same(kept, load_scene(tmp_path / f"{number}.npz"))
    export(scene, tmp_path / "lean.npz")
    assert "points_world" not in np.load(tmp_path / "lean.npz").files


def test_depth_that_is_unknown_somewhere_comes_back(scene, tmp_path):
    depth, points = scene.depth.clone(), scene.points_world.clone()
    depth[0, 0, 0], points[0, 0, 0] = torch.nan, torch.nan
    scene = replace(scene, depth=depth, points_world=points)
    export(scene, tmp_path / "scene.npz")
    assert_same(scene, load_scene(tmp_path), rtol=1e-5)


def refined(scene):
    """The scene with everything that refinement, known cameras and GPS may add."""
    generator = torch.Generator().manual_seed(0)
    good = ViewTrust("bundle adjustment", 2, 0.3, 0.9, 0.8, "good", "2 tracks")
    alone = ViewTrust("similarity", 0, None, None, None, "unsupported", "no tracks")
    return replace(
        scene,
        cameras=replace(
            scene.cameras,
            radial=torch.tensor([-0.02, 0.0, 0.01, 0.03]),
            camera_ids=torch.tensor([0, 1, 0, 1]),
        ),
        depth=None,
        points_from="points",
        world="east-north-up",
        metadata=(
            PhotoMetadata("ACME One", 28.0, 51.4778, -0.0015, 45.0, "2026-01-01"),
            PhotoMetadata(),
        )
        * 2,
        sparse=SparsePoints(
            torch.rand(2, 3, generator=generator).double(),
            torch.tensor([[255, 0, 7], [1, 2, 3]], dtype=torch.uint8),
            torch.tensor([0, 1, 1, 3]),
            torch.tensor([0, 0, 1, 1]),
            torch.rand(4, 2, generator=generator),
        ),
        consistent=torch.rand(scene.mask.shape, generator=generator) > 0.5,
        measured=torch.rand(scene.mask.shape, generator=generator) > 0.5,
        trust=(good, alone, good, alone),
        registered_by=("bundle adjustment", "similarity") * 2,
        report=Report(warnings=(ReportWarning("made", "focal_lengths", "400 is stated"),)),
    )


def test_what_refinement_adds_comes_back(scene, tmp_path):
    export(refined(scene), tmp_path / "scene.npz")
    assert_same(refined(scene), load_scene(tmp_path))


def test_points_of_a_bending_lens_are_made_from_depth_again(scene, tmp_path):
    radial = torch.tensor([-0.05, 0.1, 0.02, -0.02])
    cameras = replace(scene.cameras, radial=radial)
    on_grid = cameras.on_grid(scene.placements)
    points = unproject_depth(
        scene.depth, on_grid.cam_from_world, on_grid.intrinsics, radial=on_grid.radial
    )
    assert (points - scene.points_world).abs().max() > 0.1
    bent = replace(scene, cameras=cameras, points_world=points)
    export(bent, tmp_path / "scene.npz")
    assert "points_world" not in np.load(tmp_path / "scene.npz").files
    assert_same(bent, load_scene(tmp_path), rtol=1e-5)


def test_version_1_is_still_read(scene, tmp_path):
    scene = with_tracks(scene)
    path = export(scene, tmp_path / "scene.npz")[0]
    assert "radial" not in np.load(path).files  # a scene that lacks them writes none of version 2's
    rewritten(path, schema_version=1, world=None)
    assert_same(scene, load_scene(path), rtol=1e-5)


def test_what_only_the_report_said_in_earlier_versions_is_read(scene, tmp_path):
    path = export(with_tracks(scene), tmp_path / "scene.npz")[0]
    focal, limits = "the focal lengths of 1 of 4 photos ...", "glance-small: trained for hours"
    content = report(
        warnings=[focal, limits, "two photos are alone"],
        masks={"network_saw": "masked photos"},
        tracks={"by": "matching", "meaning": "alike"},
        refinement={
            "registered_by": {scene.names[0]: "known"},
            "warnings": ["two photos are alone"],
        },
    )
    rewritten(path, report=content, tracked_by=None, warning_codes=None)
    loaded = load_scene(path)
    assert loaded.mask_input
    assert loaded.tracked_by == "matching"
    assert loaded.registered_by == ("known", "network", "network", "network")
    assert loaded.report.warning_codes() == [
        "made/focal_lengths",
        "made/model_limits",
        "refinement/",
    ]
    again = load_scene(export(loaded, tmp_path / "again" / "scene.npz")[0])
    assert again.registered_by == loaded.registered_by
    assert again.report == loaded.report


def test_codes_of_warnings_fit_the_report(scene, tmp_path):
    path = export(scene, tmp_path / "scene.npz")[0]
    rewritten(path, warning_codes=np.array(["made/photos", "made/masks"]))
    with pytest.raises(SceneError, match="warning_codes do not fit its report: got 2 codes for 1"):
        load_scene(path)


@pytest.mark.parametrize("field", ["registered_by", "tracked_by"])
def test_choices_are_those_that_there_are(scene, tmp_path, field):
    path = export(with_tracks(refined(scene)), tmp_path / "scene.npz")[0]
    words = np.array(["magic"] * 4) if field == "registered_by" else np.array("magic")
    rewritten(path, **{field: words})
    with pytest.raises(SceneError, match=f"its {field} is 'magic'"):
        load_scene(path)


def test_observations_of_what_is_not_there_are_refused(scene, tmp_path):
    path = export(refined(scene), tmp_path / "scene.npz")[0]
    rewritten(path, sparse_indices=np.array([0, 0, 1, 2]))
    with pytest.raises(SceneError, match="sparse_indices hold the number 2"):
        load_scene(path)


def test_cameras_alone_come_back(scene, tmp_path):
    export(without_points(scene), tmp_path / "scene.npz")
    assert_same(without_points(scene), load_scene(tmp_path))


def rewritten(path, **changes):
    arrays = {**np.load(path), **changes}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def damaged_inside(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = bytes(100)
    path.write_bytes(content)


def zipped(path, change):
    """The archive written again, its entries changed by name; a pair is (compression, content)."""
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: (0, archive.read(info)) for info in archive.infolist()}
    change(entries)
    with zipfile.ZipFile(path, "w") as archive:
        for name, (compression, content) in entries.items():
            archive.writestr(name, content, compression)


def header(text):
    text = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def flag_as_encrypted(path):
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02")
    content[start + 8] |= 1
    path.write_bytes(content)


def report(**sections):
    return json.dumps(sections)


HUGE = header("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 1000000, 1000000), }")
NO_POSE = np.full((4, 3, 4), np.nan, np.float32)
FLAT = np.zeros((4, 3, 4), np.float32)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: rewritten(p, schema_version=4), "schema version 4.*upgrade"),
        (lambda p: rewritten(p, format=None), "has no format"),
        (lambda p: rewritten(p, format="cake"), "'cake'"),
        (lambda p: rewritten(p, intrinsics=None), "lacks intrinsics"),
        (lambda p: rewritten(p, radial=np.zeros(3)), "radial has shape"),
        (lambda p: rewritten(p, facts="[7]"), r"facts\[0\] is no PhotoMetadata"),
        (lambda p: rewritten(p, facts="7"), "facts are no list"),
        (lambda p: rewritten(p, facts="[{}]"), "metadata of 1 photo, but 4 views"),
        (lambda p: rewritten(p, facts='[{"altitude": "high"}]'), "altitude of the wrong type"),
        (lambda p: rewritten(p, trust="[]"), "verdicts on 0 photos"),
        (lambda p: rewritten(p, depth=np.ones((1, 2, 3))), "depth has shape"),
        (lambda p: rewritten(p, depth=np.full((4, 2, 3), "x")), "depth is of type <U1"),
        (lambda p: rewritten(p, report="{"), "report cannot be read as JSON"),
        (lambda p: rewritten(p, report="[" * 100_000), "report is nested deeper"),
        (lambda p: rewritten(p, report="7"), "report is a int"),
        (lambda p: rewritten(p, report=report(warnings="x")), "report.warnings is of the wrong"),
        (lambda p: rewritten(p, report=report(masks=[1])), "report.masks is of the wrong"),
        (lambda p: rewritten(p, report=report(metric_scale={})), "report.metric_scale lacks"),
        (lambda p: rewritten(p, report=report(times={"a": True})), "report.times.a is of the"),
        (lambda p: rewritten(p, cam_from_world=NO_POSE), "what is no pose"),
        (lambda p: rewritten(p, cam_from_world=FLAT), "what is no pose"),
        (lambda p: rewritten(p, intrinsics=-np.eye(3)[None].repeat(4, 0)), "no pinhole"),
        (lambda p: rewritten(p, names=np.array(["a"] * 4)), "two of its photos have one name"),
        (lambda p: rewritten(p, names=np.array(["a", "b", "c", ""])), "has no name"),
        (lambda p: rewritten(p, sources=np.array(["a"] * 5)), "sources has shape"),
        (lambda p: rewritten(p, original_size=np.full((4, 2), 30_000)), "30000x30000 pixels"),
        (lambda p: rewritten(p, original_size=np.full((4, 2), -1)), "-1x-1 pixels"),
        (lambda p: rewritten(p, processed_size=np.full((4, 2), 5)), "processed_size is"),
        (lambda p: rewritten(p, scale=np.zeros((4, 2))), "scaled by"),
        (lambda p: rewritten(p, exif_orientation=np.full(4, 9)), "exif_orientation is 9"),
        (lambda p: rewritten(p, reference_view=4), "reference view is 4 of 4"),
        (lambda p: rewritten(p, units="cubits"), "units is 'cubits'"),
        (lambda p: rewritten(p, points_from="points"), "points are from 'points'"),
        (lambda p: rewritten(p, mask_views=np.array([9])), "lacks mask_bits"),
        (
            lambda p: rewritten(p, mask_views=np.array([9]), mask_bits=np.zeros(3, np.uint8)),
            "mask_views name more than its 4 photos",
        ),
        (
            lambda p: rewritten(p, mask_views=np.array([0]), mask_bits=np.zeros(3, np.uint8)),
            "mask_bits are 3 bytes",
        ),
        (lambda p: zipped(p, lambda e: e.update({"depth.npy": (0, HUGE)})), "would unpack to"),
        (lambda p: zipped(p, lambda e: e.update({"depth.npy": (0, b"")})), "no NumPy array"),
        (
            lambda p: zipped(p, lambda e: e.update({"depth.npy": (12, e["depth.npy"][1])})),
            "depth.npy is compressed in a way",
        ),
        (
            lambda p: zipped(p, lambda e: e.update({"mask.npy": (0, e["mask.npy"][1][:-1])})),
            "mask is cut short",
        ),
        (
            lambda p: zipped(p, lambda e: e.update({"mask.npy": (0, e["mask.npy"][1] + b"x")})),
            "mask is longer than it says",
        ),
        (flag_as_encrypted, "is encrypted"),
        (lambda p: p.write_bytes(p.read_bytes()[:5000]), "cut short"),
        (lambda p: p.write_bytes(b""), "not a Glance3D scene"),
        (lambda p: p.write_text("text"), "not a Glance3D scene"),
        (lambda p: damaged_inside(p), "no whole Glance3D scene"),
        (lambda p: p.write_bytes(b"\x93NUMPY\x01\x00"), "not a Glance3D scene"),
        (lambda p: p.unlink(), "no saved scene at"),
    ],
)
def test_what_is_no_scene_is_refused(scene, tmp_path, damage, message):
    path = export(scene, tmp_path / "scene.npz")[0]
    damage(path)
    with pytest.raises(SceneError, match=message):
        load_scene(path)


def test_verdicts_are_those_that_there_are(scene, tmp_path):
    path = export(refined(scene), tmp_path / "scene.npz")[0]
    trust = str(np.load(path)["trust"])
    for word, other in (("unsupported", "<b>fine</b>"), ("similarity", "<i>me</i>")):
        rewritten(path, trust=trust.replace(word, other))
        with pytest.raises(SceneError, match=f"{other}.*there are unsupported, weak, good"):
            load_scene(path)


def test_observations_out_of_order_are_refused(scene, tmp_path):
    path = export(refined(scene), tmp_path / "scene.npz")[0]
    rewritten(path, sparse_views=np.array([1, 0, 1, 3]))
    with pytest.raises(SceneError, match="not sorted"):
        load_scene(path)


def test_pickles_are_never_opened(scene, tmp_path):
    path = export(scene, tmp_path / "scene.npz")[0]
    rewritten(path, names=np.array([{"any": "object"}], dtype=object))
    with pytest.raises(SceneError, match="no array of numbers or text"):
        load_scene(path)


def test_arrays_that_no_scene_has_are_not_read(scene, tmp_path):
    path = export(scene, tmp_path / "scene.npz")[0]
    zipped(path, lambda entries: entries.update({"more.npy": (12, bytes(10**6)), "x": (14, b"")}))
    assert_same(scene, load_scene(path), rtol=1e-5)


def test_a_small_file_unpacks_to_little(scene, tmp_path):
    """Nothing is allocated for 2 GB of zeros that a deflated entry declares and holds."""
    path = export(scene, tmp_path / "scene.npz")[0]
    many = 4, 8000, 16_000
    bomb = header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {many}, }}")
    zipped(path, lambda entries: entries.update({"depth.npy": (8, bomb + bytes(10**7))}))
    tracemalloc.start()
    with pytest.raises(SceneError, match="would unpack to"):
        load_scene(path)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_arrays_in_another_order_and_deflated_come_back(scene, tmp_path):
    path = export(scene, tmp_path / "scene.npz")[0]
    arrays = dict(np.load(path))
    np.savez_compressed(path, **{name: np.array(a, order="F") for name, a in arrays.items()})
    assert_same(scene, load_scene(path), rtol=1e-5)


def test_contents_come_back(scene, tmp_path):
    contents = (PhotoContent(7, "0" * 64), None, PhotoContent(8, "f" * 64), None)
    known = replace(scene, contents=contents)
    path = export(known, tmp_path / "scene.npz")[0]
    assert_same(known, load_scene(path), rtol=1e-5)
    rewritten(path, source_sha256=np.array(["0" * 64, "", "F" * 64, ""]))
    with pytest.raises(SceneError, match="source_sha256"):
        load_scene(path)


def test_the_report_is_stored_as_json(scene, tmp_path):
    path = export(scene, tmp_path / "scene.npz")[0]
    assert json.loads(str(np.load(path)["report"])) == scene.report.to_json()


def _saved_with(scene, folder, **arrays):
    export(scene, folder / "scene.npz")
    with np.load(folder / "scene.npz") as archive:
        kept = {name: archive[name] for name in archive.files}
    np.savez(
        folder / "scene.npz", **kept | {name: edit(kept[name]) for name, edit in arrays.items()}
    )


def test_floats_that_another_tool_saved_in_64_bits_are_read(scene, tmp_path):
    _saved_with(scene, tmp_path, depth=np.float64, cam_from_world=np.float64, confidence=np.float64)
    assert_same(scene, load_scene(tmp_path), rtol=1e-5)


@pytest.mark.parametrize("field", ["names", "sources", "world"])
def test_half_surrogates_are_no_text(scene, tmp_path, field):
    _saved_with(scene, tmp_path, **{field: lambda text: np.char.add(text, "\ud800")})
    with pytest.raises(SceneError, match=f"its {field} is no Unicode text"):
        load_scene(tmp_path)
