"""Depth at the original pixels, in numbers and in colour."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.errors import SceneError
from glance3d.exporters import export
from glance3d.exporters.maps.colormap import colorize_depth
from tests.exporters.analytic import without_points


def test_value_times_scale_is_the_depth_of_each_original_pixel(scene, tmp_path):
    export(scene, tmp_path / "depth")
    index = json.loads((tmp_path / "depth" / "depth.json").read_text())
    assert [view["depth"] for view in index["views"]] == ["a.png", "b.png", "C.png", "d.png"]
    for view, entry in enumerate(index["views"]):
        placement = scene.placements[view]
        with Image.open(tmp_path / "depth" / entry["depth"]) as image:
            assert image.mode.startswith("I;16")
            assert image.size == placement.original_size == tuple(entry["size"])
            depth = np.asarray(image) * index["scale"]
        # On the border of two cells of the grid either is the nearest.
        known = torch.where(scene.mask[view], scene.depth[view], 0)
        nearest = [
            replace(placement, offset=(placement.offset[0] + x, placement.offset[1] + y))
            .map_to_original(known)
            .numpy()
            for x in (-1e-4, 1e-4)
            for y in (-1e-4, 1e-4)
        ]
        difference = np.min([np.abs(depth - expected) for expected in nearest], axis=0)
        assert difference.max() <= index["scale"]


def test_what_is_unknown_is_0(scene, tmp_path):
    depth = scene.depth.clone()
    depth[0, :, :50] = torch.nan
    depth[0, :, 50:60] = -1.0
    export(replace(scene, depth=depth), tmp_path / "depth")
    values = np.asarray(Image.open(tmp_path / "depth" / "a.png"))
    first_known = int(60 / 0.35)
    assert (values[:, :first_known] == 0).all()
    assert (values[:, first_known + 1 :] > 0).all()
    preview = np.asarray(Image.open(tmp_path / "depth" / "a_preview.jpg"))
    assert preview[:, : first_known - 8].max() < 20
    assert preview[:, first_known + 8 :].max(-1).min() > 20


def test_pixels_that_a_crop_cut_off_are_unknown(scene, tmp_path):
    placement = replace(scene.placements[0], scale=(0.7, 0.7), offset=(-56.0, -28.0))
    placements = (placement, *scene.placements[1:])
    whole = torch.ones_like(scene.mask)
    export(replace(scene, placements=placements, mask=whole), tmp_path / "depth")
    values = np.asarray(Image.open(tmp_path / "depth" / "a.png"))
    np.testing.assert_array_equal(
        values > 0, placement.map_to_original(torch.ones(112, 112)).bool().numpy()
    )


def test_a_far_sky_does_not_cost_the_rest_its_precision(scene, tmp_path, caplog):
    depth = scene.depth.clone()
    depth[1, :40] = 1e6
    export(replace(scene, depth=depth), tmp_path / "depth")
    index = json.loads((tmp_path / "depth" / "depth.json").read_text())
    assert index["scale"] < 0.001 * depth.median()
    assert "farther than" in caplog.text
    assert (np.asarray(Image.open(tmp_path / "depth" / "b.png"))[:80] == 0).all()


def test_all_previews_share_one_range_near_is_warm(scene, tmp_path):
    export(scene, tmp_path / "depth")
    previews = sorted((tmp_path / "depth").glob("*_preview.jpg"))
    assert len(previews) == 4
    near, far = torch.full((1, 1), 1.0), torch.full((1, 1), 10.0)
    valid = torch.ones(1, 1, dtype=torch.bool)
    warm = colorize_depth(near, valid, (0.1, 1.0))[0, 0].int()
    cold = colorize_depth(far, valid, (0.1, 1.0))[0, 0].int()
    assert warm[0] > warm[2]
    assert cold[2] > cold[0]
    assert warm.sum() > cold.sum()


def test_a_scene_without_any_known_depth_is_written_as_unknown(scene, tmp_path):
    export(replace(scene, depth=torch.zeros_like(scene.depth)), tmp_path / "depth")
    assert not np.asarray(Image.open(tmp_path / "depth" / "a.png")).any()


def test_a_scene_without_depth_is_refused(scene, tmp_path):
    with pytest.raises(SceneError, match="no depth"):
        export(without_points(scene), tmp_path / "depth")
