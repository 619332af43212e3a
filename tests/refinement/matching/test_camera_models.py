"""Intrinsics between the scene and COLMAP."""

import pytest
import torch

from glance3d.refinement.matching.camera_models import (
    build_colmap_camera,
    default_focal,
    intrinsics_of,
)
from glance3d.types import PhotoMetadata


def test_a_focal_length_on_film_becomes_pixels() -> None:
    # 43.27 mm on film of that diagonal: as many pixels as the photo's diagonal.
    metadata = PhotoMetadata(focal_35mm=43.2666)
    assert metadata.focal_length((4000, 3000)) == pytest.approx(5000, rel=1e-4)
    assert PhotoMetadata().focal_length((4000, 3000)) is None
    assert default_focal((4000, 3000)) == 4800


def test_known_intrinsics_go_through_colmap_unchanged() -> None:
    matrix = torch.tensor([[500.0, 0, 310], [0, 510, 255], [0, 0, 1]]).double()
    camera = build_colmap_camera((640, 480), 1.0, "pinhole", known=matrix, known_radial=-0.1)
    intrinsics, radial = intrinsics_of(camera)
    torch.testing.assert_close(intrinsics, matrix)
    assert radial == pytest.approx(-0.1)
