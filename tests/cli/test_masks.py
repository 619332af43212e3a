"""``--masks``, ``--mask-input`` and ``--reference``, as typed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.cli import main
from glance3d.exporters import load_scene, write_scene_folder
from tests.refinement.rendered import SIZE, Room, arc, build_scene

SMALL = ["--max-pixels", "4704", "--device", "cpu"]


@pytest.fixture
def masks(photos: Path, tmp_path: Path) -> Path:
    """A mask of each photo, which keeps its left half."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for path in photos.iterdir():
        width, height = Image.open(path).size
        keep = np.zeros((height, width), np.uint8)
        keep[:, : width // 2] = 255
        Image.fromarray(keep).save(folder / f"{path.stem}.png")
    return folder


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_what_masks_leave_out_is_in_no_file(
    photos: Path, masks: Path, tiny_weights: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "scene"
    how = ["--model", tiny_weights, "--masks", masks, "--reference", "view3", *SMALL]
    assert run("reconstruct", photos, "--out", out, *how) == 0
    output = capsys.readouterr().out
    assert "3 of 3 photos have a mask; the masks keep 50%" in output
    assert "the network saw view3.png first: as asked" in output
    assert "the world is the frame of view3.png" in output
    scene = load_scene(out)
    assert scene.reference_view == 2
    report = json.loads((out / "report.json").read_text())
    assert report["masks"]["network_saw"] == "whole photos"
    levels = np.asarray(Image.open(out / "depth" / "view1.png"))
    assert (levels[:, 48:] == 0).all()
    assert (levels[:, :40] > 0).any()
    assert sorted(path.name for path in (out / "masks").iterdir()) == [
        f"view{number}.png.png" for number in (1, 2, 3)
    ]
    # What was written is taken again.
    again = ["--model", tiny_weights, "--masks", out / "masks", *SMALL]
    assert run("reconstruct", photos, "--out", tmp_path / "again", *again, "--mask-input") == 0
    torch.testing.assert_close(load_scene(tmp_path / "again").mask, scene.mask)


def test_adding_photos_keeps_old_masks_and_takes_new_ones(
    photos: Path, masks: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (photos / "view3.png").rename(new / "view3.png")
    third = masks / "view3.png"
    kept = third.read_bytes()
    third.unlink()
    out, how = tmp_path / "scene", ["--model", tiny_weights, "--device", "cpu"]
    whole = ["reconstruct", photos, "--out", out, *how, "--max-pixels", 4704]
    assert run(*whole, "--masks", masks) == 0
    third.write_bytes(kept)  # the old photos' masks may lie beside the new one's
    assert run("add", out, new, "--masks", masks, *how) == 0
    scene = load_scene(out)
    assert scene.num_views == 3
    assert [round(mask.share, 2) for mask in scene.masks if mask is not None] == [0.5] * 3
    assert scene.report.photos.masks.kept_share == dict.fromkeys(scene.names, 0.5)
    for view, mask in enumerate(scene.masks):
        assert mask is not None
        assert scene.depth is not None
        outside = ~mask.on_grid(scene.placements[view])
        assert not (scene.mask[view] & outside).any()
        assert (scene.depth[view][outside] == 0).all()


@pytest.mark.long
def test_refining_takes_masks_for_a_scene_that_had_none(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    scene = build_scene([Room()] * 4, arc(4, 1.6), photos)
    write_scene_folder(scene, tmp_path / "scene", formats=["npz"])
    masks = tmp_path / "masks"
    masks.mkdir()
    keep = np.full(SIZE[::-1], 255, np.uint8)
    keep[:, :150] = 0
    Image.fromarray(keep).save(masks / "view01.png")
    how = ["--no-densify", "--correspondences", "sift"]
    words = ["--masks", masks, "--out", tmp_path / "refined", *how]
    assert run("refine", tmp_path / "scene", *words) == 0
    refined = load_scene(tmp_path / "refined")
    assert refined.masks[0] is None
    assert refined.report.photos.masks.kept_share["view01.png"] == 0.625
    assert refined.sparse is not None
    own = refined.sparse.pixels_original[refined.sparse.view_indices == 1]
    assert len(own) > 50
    assert (own[:, 0] >= 150).all()


def test_a_wrong_mask_is_one_sentence_and_leaves_nothing(
    photos: Path, masks: Path, tiny_weights: Path, tmp_path: Path, capsys
) -> None:
    Image.new("L", (10, 10)).resize((48, 32)).save(masks / "view2.png")
    out = tmp_path / "scene"
    how = ["--model", tiny_weights, "--masks", masks, *SMALL]
    assert run("reconstruct", photos, "--out", out, *how) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("glance3d: the mask view2.png is 48x32 pixels, but the photo view2.png")
    assert not out.exists()
