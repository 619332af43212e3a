"""No export of a scene with masks holds anything of what they leave out."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from plyfile import PlyData

from glance3d.errors import SceneError
from glance3d.exporters import export, load_scene, write_scene_folder
from glance3d.formats.colmap.binary import read_binary_model
from glance3d.geometry.cameras import project_points
from glance3d.types import PhotoMask, Reconstruction
from tests.exporters.analytic import SPHERE_CENTER, SPHERE_RADIUS, with_measured_points, with_tracks

NEAR = SPHERE_RADIUS * 1.02
FILES = ("npz", "depth", "images", "masks", "colmap", "ply", "glb", "nerfstudio", "report")


def sphere_masks(scene: Reconstruction, views: range) -> tuple[PhotoMask | None, ...]:
    """Masks that leave the sphere out of these views, and nothing else."""
    masks: list[PhotoMask | None] = [None] * scene.num_views
    around = torch.randn(4000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = SPHERE_CENTER + SPHERE_RADIUS * torch.nn.functional.normalize(around, dim=-1)
    for view in views:
        pose, matrix = scene.cameras.cam_from_world[view], scene.cameras.intrinsics[view]
        pixels, _ = project_points(points, pose.double(), matrix.double())
        width, height = scene.placements[view].original_size
        keep = np.ones((height, width), bool)
        low, high = pixels.amin(0).floor().long(), pixels.amax(0).ceil().long()
        keep[max(0, low[1] - 2) : high[1] + 2, max(0, low[0] - 2) : high[0] + 2] = False
        masks[view] = PhotoMask.from_array(keep)
    return tuple(masks)


@pytest.fixture(scope="module")
def masked(scene: Reconstruction) -> Reconstruction:
    """The sphere is in no photo that counts."""
    return replace(scene, masks=sphere_masks(scene, range(scene.num_views))).masked()


def on_sphere(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points - SPHERE_CENTER.numpy(), axis=-1) < NEAR


@pytest.fixture(scope="module")
def folder(masked: Reconstruction, tmp_path_factory):
    out = tmp_path_factory.mktemp("masked")
    write_scene_folder(masked, out, formats=FILES, percentile=0.0)
    return out


def test_the_sphere_was_there_before(scene) -> None:
    assert on_sphere(scene.points_world[scene.mask].numpy()).sum() > 1000


def test_no_point_cloud_has_it(folder) -> None:
    vertices = PlyData.read(folder / "points.ply")["vertex"]
    points = np.stack([vertices[axis] for axis in "xyz"], -1)
    assert len(points) > 10_000
    assert not on_sphere(points).any()
    colmap = read_binary_model(folder / "sparse/0")
    assert len(colmap.points.xyz) > 1000
    assert not on_sphere(colmap.points.xyz).any()
    cloud = trimesh.load(folder / "scene.glb")
    nodes = [g for g in cloud.geometry.values() if isinstance(g, trimesh.PointCloud)]
    assert sum(len(node.vertices) for node in nodes) > 10_000
    reds = np.concatenate([node.colors[:, :3].astype(int) for node in nodes])
    # The sphere is red, the wall blue, whatever axes the file has.
    assert ((reds[:, 0] - reds[:, 2]) > 60).mean() < 0.01


def test_depth_is_0_to_the_pixel_at_the_photos_size(folder, masked) -> None:
    for view, mask in enumerate(masked.masks):
        assert mask is not None
        png = folder / "depth" / f"{masked.names[view].split('.')[0]}.png"
        levels = np.asarray(Image.open(png))
        assert (levels[~mask.to_array()] == 0).all()
        assert (levels > 0).mean() > 0.2


def test_the_saved_scene_has_nothing_there_and_comes_back(folder, masked) -> None:
    arrays = np.load(folder / "scene.npz")
    assert int(arrays["schema_version"]) == 3
    assert (arrays["depth"][~arrays["mask"]] == 0).all()
    assert (arrays["confidence"][~arrays["mask"]] == 0).all()
    assert "points_world" not in arrays
    loaded = load_scene(folder)
    for loaded_mask, mask in zip(loaded.masks, masked.masks, strict=True):
        assert loaded_mask is not None
        assert mask is not None
        assert loaded_mask.size == mask.size
        torch.testing.assert_close(loaded_mask.bits, mask.bits)
    torch.testing.assert_close(loaded.mask, masked.mask)
    assert not on_sphere(loaded.points_world[loaded.mask].numpy()).any()


def test_masks_are_written_where_tools_look_for_them(folder, masked) -> None:
    transforms = json.loads((folder / "transforms.json").read_text())
    assert [frame["mask_path"] for frame in transforms["frames"]] == [
        "masks/a.jpg.png",
        "masks/b.png.png",
        "masks/C.JPG.png",
        "masks/d.jpg.png",
    ]
    for frame, mask in zip(transforms["frames"], masked.masks, strict=True):
        with Image.open(folder / frame["mask_path"]) as picture:
            np.testing.assert_array_equal(np.asarray(picture.convert("L")) > 0, mask.to_array())
        with Image.open(folder / frame["file_path"]) as photo:
            assert photo.size == mask.size


def test_scenes_without_masks_have_no_masks_folder_and_no_warning(scene, tmp_path) -> None:
    write_scene_folder(scene, tmp_path, formats=FILES)
    assert not (tmp_path / "masks").exists()
    report = json.loads((tmp_path / "report.json").read_text())
    assert not any("mask" in warning for warning in report["warnings"])
    frames = json.loads((tmp_path / "transforms.json").read_text())["frames"]
    assert not any("mask_path" in frame for frame in frames)
    with pytest.raises(SceneError, match="has no masks"):
        export(scene, tmp_path / "masks")


def test_a_photo_without_a_mask_is_kept_whole(scene, tmp_path) -> None:
    some = replace(scene, masks=sphere_masks(scene, range(1))).masked()
    assert not on_sphere(some.points_world[0][some.mask[0]].numpy()).any()
    assert on_sphere(some.points_world[1][some.mask[1]].numpy()).any()
    write_scene_folder(some, tmp_path, formats=FILES)
    with Image.open(tmp_path / "masks" / "b.png.png") as white:
        assert np.asarray(white.convert("L")).min() == 255
    # The sphere may still be seen in view 0's photo, but no observation says so.
    model = read_binary_model(tmp_path / "sparse/0")
    loaded = load_scene(tmp_path)
    assert loaded.masks[1:] == (None, None, None)
    pixels = torch.from_numpy(model.images[1].points2d.xy.copy()).double()
    assert some.masks[0] is not None
    assert some.masks[0].keeps(pixels).all()


def test_tracks_and_measured_points_leave_masked_pixels_alone(scene) -> None:
    masks = sphere_masks(scene, range(2))
    tracked = replace(with_tracks(scene), masks=masks).masked()
    kept = masks[0].keeps(tracked.tracks.positions[0])
    assert not kept.all()
    assert (tracked.tracks.visibility[0][~kept] == 0).all()
    assert (tracked.tracks.confidence[0][~kept] == 0).all()
    assert (tracked.tracks.visibility[2] > 0).all()
    before = with_measured_points(scene)
    after = replace(before, masks=masks).masked()
    assert 0 < len(after.sparse) < len(before.sparse) + 1
    assert after.sparse.num_observations < before.sparse.num_observations
    own = after.sparse.view_indices == 0
    assert masks[0].keeps(after.sparse.pixels_original[own]).all()
    assert int(after.sparse.point_indices.max()) == len(after.sparse) - 1
