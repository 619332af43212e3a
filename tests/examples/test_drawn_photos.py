"""The drawn example photos are what their folders say, and their cameras those that drew them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scripts import draw_example_photos as script

from glance3d.geometry.cameras import camera_centers, project_points
from glance3d.geometry.geodesy import GeodeticOrigin, enu_from_geodetic
from glance3d.images.decoding.decode import open_upright
from glance3d.images.load import load_images

DATA = Path(__file__).parents[2] / "examples" / "data"


def _views(name: str) -> list[dict[str, Any]]:
    return json.loads((DATA / name / "cameras.json").read_text(encoding="utf-8"))["views"]


def test_a_face_is_drawn_where_the_camera_sees_it() -> None:
    picture = np.ones((4, 4, 4), np.float32)
    picture[:, 2:, 3] = 0  # its right half is a hole
    corner, right, down = np.array([-0.4, 2, 0.3]), np.array([0.8, 0, 0]), np.array([0, 0, -0.6])
    camera = script.camera_at([0.1, 0, 0.05], [0, 2, 0], (64, 48), 30)
    _, seen = script.draw_photo([script.Face(corner, right, down, picture)], camera)
    corners = torch.tensor(np.stack([corner, corner + right / 2, corner + right / 2 + down]))
    pose = torch.tensor(camera.cam_from_world)
    pixels, _ = project_points(corners, pose, torch.tensor(camera.intrinsics))
    rows, columns = seen.nonzero()
    low, high = pixels.min(0).values, pixels.max(0).values
    assert abs(columns.min() - float(low[0])) < 1.5
    assert abs(columns.max() + 1 - float(high[0])) < 1.5
    assert abs(rows.min() - float(low[1])) < 1.5
    assert abs(rows.max() + 1 - float(high[1])) < 1.5


def test_what_is_near_hides_what_is_far() -> None:
    colors = [np.full((2, 2, 4), value, np.float32) for value in (0.2, 1.0)]
    for face in colors:
        face[..., 3] = 1
    near, far = (
        script.Face(np.array([-2.0, away, 2]), np.array([4.0, 0, 0]), np.array([0, 0, -4.0]), color)
        for away, color in zip((2.0, 3.0), colors, strict=True)
    )
    camera = script.camera_at([0, 0, 0], [0, 1, 0], (8, 6), 30)
    pictures = [np.asarray(script.draw_photo(one, camera)[0]) for one in ([near, far], [far, near])]
    assert (pictures[0] == pictures[1]).all()
    assert pictures[0].max() < 100


@pytest.mark.parametrize("name", ["house", "village", "turntable"])
def test_photos_have_the_sizes_of_their_cameras(name: str) -> None:
    for view in _views(name):
        assert open_upright(str(DATA / name / view["image"])).size == tuple(view["size"])


def test_the_phone_s_photos_are_stored_on_their_side_and_say_their_lens() -> None:
    batch = load_images(DATA / "house" / "images")
    view = _views("house")[0]
    for placement, metadata in zip(batch.placements, batch.metadata, strict=True):
        assert placement.exif_orientation == 6
        focal = metadata.focal_length(tuple(view["size"]))
        assert focal == pytest.approx(view["intrinsics"][0][0], rel=1e-3)


def test_the_drone_s_positions_are_near_the_true_ones() -> None:
    views = _views("village")
    batch = load_images(DATA / "village" / "images")
    told = [[one.latitude, one.longitude, one.altitude] for one in batch.metadata]
    positions = enu_from_geodetic(
        torch.tensor(told, dtype=torch.float64), GeodeticOrigin(*script.PLACE)
    )
    poses = torch.tensor([view["cam_from_world"] for view in views], dtype=torch.float64)
    off = (positions - camera_centers(poses)).norm(dim=-1)
    assert 0.1 < float(off.mean()) < 1.2


def test_every_photo_of_the_turntable_has_a_mask() -> None:
    masks = {path.stem for path in (DATA / "turntable" / "masks").iterdir()}
    assert masks == {Path(view["image"]).stem for view in _views("turntable")}
