"""Drawn photo sets hold what they promise: photos, cameras and depth that agree."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.geometry.cameras import project_points, unproject_depth
from glance3d.geometry.filter import seen_by_depth
from glance3d.photo_sets import PhotoSet, load_photo_set
from tests.loaded_files import load_file


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_file(Path(__file__).parents[2] / "scripts" / "build_photo_sets.py")


@pytest.fixture(scope="module")
def sets(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PhotoSet]:
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "textures").mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        noise = random.integers(0, 255, (32, 32, 3), np.uint8)
        Image.fromarray(noise).save(folder / "textures" / f"{number}.png")
    words = ["--out", str(folder / "sets"), "--textures", str(folder / "textures")]
    script.main([*words, "--size", "0.15", "--only", "stereo", "internet"])
    return {path.name: load_photo_set(path) for path in sorted((folder / "sets").iterdir())}


def test_sizes_and_lenses_differ_where_many_people_took_photos(sets, script):
    photo_set = sets["internet_0"]
    assert len(photo_set) == 14
    assert len(photo_set.cameras.image_sizes.unique(dim=0)) == len(script.MANY_SIZES)
    focal = photo_set.cameras.intrinsics[:, 0, 0] / photo_set.cameras.image_sizes.amax(1)
    assert focal.max() > 1.3 * focal.min()


@pytest.mark.parametrize("name", ["internet_0", "stereo_0"])
def test_the_depth_of_one_view_is_seen_by_another(sets, name):
    photo_set = sets[name]
    cameras = photo_set.cameras
    first, second = photo_set.load_depth(0), photo_set.load_depth(1)
    points = unproject_depth(first, cameras.cam_from_world[0], cameras.intrinsics[0])
    points = points[first > 0]
    lens = cameras.cam_from_world[1], cameras.intrinsics[1]
    pixels, _ = project_points(points, *lens)
    inside = ((pixels >= 0) & (pixels < cameras.image_sizes[1])).all(-1)
    seen, _ = seen_by_depth(points, second, *lens, tolerance=0.05)
    assert inside.float().mean() > 0.2
    assert seen[inside].float().mean() > 0.6


def test_a_stereo_pair_lies_in_rows_and_is_shifted(sets, script):
    cameras = sets["stereo_0"].cameras
    turned = cameras.cam_from_world[1, :, :3] @ cameras.cam_from_world[0, :, :3].T
    assert torch.allclose(turned, torch.eye(3), atol=1e-5)
    moved = cameras.cam_from_world[1, :, 3] - cameras.cam_from_world[0, :, 3]
    assert moved[1:].abs().max() < 1e-4 * moved[0].abs()
    shift = cameras.intrinsics[1, 0, 2] - cameras.intrinsics[0, 0, 2]
    (kind,) = (kind for kind in script.KINDS if kind.name == "stereo")
    assert float(shift) == round(kind.shift * 0.15)
