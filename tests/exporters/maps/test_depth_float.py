"""Float depth at the photos' size, read back by the formats' own readers."""

import json
import sys
from dataclasses import replace

import numpy as np
import OpenEXR
import pytest
import tifffile
import torch
from PIL import Image

from glance3d.errors import MissingExtraError, SceneError
from glance3d.exporters import export
from glance3d.types import PhotoMask
from tests.exporters.analytic import without_points


def read_exr(path):
    with OpenEXR.File(str(path)) as file:
        (channel,) = file.channels().values()
        assert channel.name == "Z"
        return np.array(channel.pixels), dict(file.header())


@pytest.mark.parametrize("kind", ["tiff", "exr"])
def test_depth_is_the_scene_s_at_every_pixel_of_the_photo(scene, tmp_path, kind):
    paths = export(scene, tmp_path / "out", f"depth-{kind}")
    assert [path.name for path in paths] == [f"{stem}.{kind}" for stem in "abCd"]
    for view, path in enumerate(paths):
        depth = tifffile.imread(path) if kind == "tiff" else read_exr(path)[0]
        assert depth.dtype == np.float32
        known = torch.where(scene.mask[view], scene.depth[view], 0.0)
        same = depth == scene.placements[view].map_to_original(known).numpy()
        # Every tenth pixel of the last photo lies on the border of two of the grid's pixels.
        assert same.all() if view < 3 else same.mean() > 0.9


def test_it_agrees_with_the_16_bit_pngs_but_is_finer(scene, tmp_path):
    float_path = export(scene, tmp_path / "f", "depth-tiff")[0]
    png = next(path for path in export(scene, tmp_path / "depth") if path.name == "a.png")
    scale = json.loads((tmp_path / "depth" / "depth.json").read_text())["scale"]
    levels = np.asarray(Image.open(png))
    depth = tifffile.imread(float_path)
    np.testing.assert_array_equal(levels > 0, depth > 0)
    np.testing.assert_allclose(levels * scale, depth, atol=scale)


def test_what_a_mask_leaves_out_is_nought(scene, tmp_path):
    keep = np.zeros(scene.placements[0].original_size[::-1], bool)
    keep[100:150, 100:200] = True
    masked = replace(scene, masks=(PhotoMask.from_array(keep), None, None, None))
    depth = tifffile.imread(export(masked, tmp_path / "out", "depth-tiff")[0])
    np.testing.assert_array_equal(depth > 0, keep)


def test_files_say_what_they_hold(scene, tmp_path):
    metres = replace(scene, units="metre")
    header = read_exr(export(metres, tmp_path / "e", "depth-exr")[0])[1]
    assert header["units"] == "metre"
    assert "0 is unknown" in header["comments"]
    with tifffile.TiffFile(export(metres, tmp_path / "t", "depth-tiff")[0]) as file:
        assert "units: metre" in file.pages[0].description


def test_what_is_missing_is_said(scene, tmp_path, monkeypatch):
    with pytest.raises(SceneError, match="no depth"):
        export(replace(without_points(scene), depth=None), tmp_path / "x", "depth-tiff")
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(MissingExtraError, match=r"glance3d\[exr\]"):
        export(scene, tmp_path / "x", "depth-exr")
