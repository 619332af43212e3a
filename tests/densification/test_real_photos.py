"""A stereo pair with true cameras: what is claimed is true."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.densification import densify
from glance3d.photo_sets import load_photo_set
from glance3d.types import Placement, Reconstruction

MOTORCYCLE = Path(__file__).parents[3] / "shared/data/middlebury_motorcycle"


@pytest.mark.shared
@pytest.mark.skipif(not MOTORCYCLE.is_dir(), reason="needs the real photo sets")
def test_claimed_depth_of_a_stereo_pair_is_true() -> None:
    photos = load_photo_set(MOTORCYCLE)
    truth = photos.load_depth(0)
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in photos.image_paths]
    names = tuple(path.name for path in photos.image_paths)
    size = (truth.shape[1], truth.shape[0])
    scene = Reconstruction(
        names=names,
        sources=names,
        placements=(Placement(size, (24, 16), (24 / size[0], 16 / size[1])),) * 2,
        cameras=photos.cameras,
        colors=torch.zeros(2, 16, 24, 3, dtype=torch.uint8),
        mask=torch.ones(2, 16, 24, dtype=torch.bool),
        depth=truth[truth > 0].median().expand(2, 16, 24).clone(),
    )
    dense = densify(scene, pictures, max_pixels=80_000)
    assert dense.depth is not None
    assert dense.measured is not None
    predicted = dense.placements[0].map_to_original(dense.depth[0])
    claimed = (dense.placements[0].map_to_original(dense.measured[0].float()) > 0) & (truth > 0)
    ratio = predicted[claimed] / truth[claimed]
    assert (torch.maximum(ratio, 1 / ratio) < 1.25).float().mean() > 0.96
    assert claimed.sum() > 0.6 * (truth > 0).sum()
