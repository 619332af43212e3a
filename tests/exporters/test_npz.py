"""A scene comes back as it was; a file that is no scene is one sentence."""

import json
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
import torch

from glance3d.errors import SceneError
from glance3d.exporters import export, load_scene
from glance3d.geometry.cameras import unproject_depth
from glance3d.types import PhotoFacts, SparsePoints, ViewTrust
from tests.exporters.analytic import with_tracks, without_points


def assert_same(a, b, rtol=0.0):
    for field in fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, torch.Tensor):
            assert x.dtype == y.dtype
            tolerance = rtol if field.name == "points_world" else 0.0
            torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance, equal_nan=True)
        elif is_dataclass(x):
            assert_same(x, y)
        else:
            assert x == y, field.name


def test_a_scene_comes_back_exactly(scene, tmp_path):
    scene = with_tracks(replace(scene, units="metre", report={"a": [1, None, "ü"]}))
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
            physical=torch.tensor([0, 1, 0, 1]),
        ),
        depth=None,
        points_from="points",
        world="east-north-up",
        facts=(PhotoFacts("ACME One", 28.0, 51.4778, -0.0015, 45.0, "2026-01-01"), PhotoFacts())
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


def test_observations_of_what_is_not_there_are_refused(scene, tmp_path):
    path = export(refined(scene), tmp_path / "scene.npz")[0]
    rewritten(path, sparse_indices=np.array([0, 0, 1, 2]))
    with pytest.raises(SceneError, match="observations speak of number 2"):
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


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: rewritten(p, schema_version=4), "schema version 4.*upgrade"),
        (lambda p: rewritten(p, format=None), "not a Glance3D scene"),
        (lambda p: rewritten(p, format="cake"), "'cake'"),
        (lambda p: rewritten(p, intrinsics=None), "no whole Glance3D scene"),
        (lambda p: rewritten(p, radial=np.zeros(3)), "radial has shape"),
        (lambda p: rewritten(p, facts="[7]"), "no whole Glance3D scene"),
        (lambda p: rewritten(p, depth=np.ones((1, 2, 3))), "depth has shape"),
        (lambda p: rewritten(p, report="{"), "no whole Glance3D scene"),
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


def test_pickles_are_never_opened(scene, tmp_path):
    path = export(scene, tmp_path / "scene.npz")[0]
    rewritten(path, names=np.array([{"any": "object"}], dtype=object))
    with pytest.raises(SceneError, match="allow_pickle"):
        load_scene(path)


def test_the_report_is_stored_as_json(scene, tmp_path):
    path = export(scene, tmp_path / "scene.npz")[0]
    assert json.loads(str(np.load(path)["report"])) == scene.report
