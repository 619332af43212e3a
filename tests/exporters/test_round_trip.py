"""Exported cameras, read again as known cameras: every format says the same of every photo."""

import pytest
import torch

from glance3d.exporters import write_scene_folder
from glance3d.known_cameras import load_known_cameras
from tests.exporters.analytic import build_scene


@pytest.fixture(scope="module", params=["pinholes", "bending lenses"])
def written(request, tmp_path_factory):
    scene = build_scene(tmp_path_factory.mktemp("photos"), bent=request.param != "pinholes")
    folder = tmp_path_factory.mktemp("out")
    write_scene_folder(scene, folder, formats=["cameras", "colmap", "nerfstudio", "images"])
    return scene, folder


@pytest.mark.parametrize("file", ["cameras.json", "sparse/0", "transforms.json"])
def test_known_cameras_are_the_scenes(written, file):
    scene, folder = written
    known = load_known_cameras(folder / file)
    assert len(known) == scene.num_views
    for view, camera in enumerate(known.cameras):
        pose = scene.cameras.cam_from_world[view].double()
        torch.testing.assert_close(camera.cam_from_world, pose, atol=1e-6, rtol=0)
        intrinsics = scene.cameras.intrinsics[view].double()
        torch.testing.assert_close(camera.intrinsics, intrinsics, atol=1e-9, rtol=0)
        assert camera.size == scene.placements[view].original_size
        radial = 0.0 if scene.cameras.radial is None else scene.cameras.radial[view].item()
        assert camera.radial == pytest.approx(radial, abs=1e-9)
        assert camera.name.split("/")[-1] == ("a.jpg", "b.png", "C.JPG", "d.jpg")[view]
