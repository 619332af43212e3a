"""Depth and cameras: against rays that are cast into a scene known in closed form."""

from dataclasses import replace

import pytest
import torch

from glance3d.errors import InputError
from glance3d.geometry.cameras import project_points
from glance3d.tracking.by_geometry import GeometryTracker
from glance3d.types import Reconstruction
from tests.exporters.analytic import build_scene, cast, without_points


def truth(scene: Reconstruction, view: int, target: int, pixels: torch.Tensor):
    """Where the surface behind each pixel is in another photo, and whether it is seen there."""
    cameras = scene.cameras
    radial = [None] * 4 if cameras.radial is None else cameras.radial.double()
    poses, intrinsics = cameras.cam_from_world.double(), cameras.intrinsics.double()
    _, points = cast(pixels.double(), intrinsics[view], poses[view], radial[view])
    projected, depth = project_points(points, poses[target], intrinsics[target], radial[target])
    surface, _ = cast(projected, intrinsics[target], poses[target], radial[target])
    inside = ((projected > 0) & (projected < cameras.image_sizes[target])).all(-1)
    return projected.float(), inside & (depth < surface * 1.01)


def grid_pixels(scene: Reconstruction, view: int) -> torch.Tensor:
    """Originals of the centres of the depth map's pixels, where depth is exact."""
    x, y = torch.meshgrid(torch.arange(8, 104, 7), torch.arange(8, 104, 7), indexing="xy")
    cells = torch.stack([x, y], -1).flatten(0, 1)
    seen = scene.mask[view][cells[:, 1], cells[:, 0]]
    return scene.placements[view].to_original(cells[seen] + 0.5)


@pytest.mark.parametrize("bent", [False, True])
@pytest.mark.parametrize(("view", "target"), [(0, 2), (3, 1)])
def test_points_land_where_rays_say(tmp_path, bent: bool, view: int, target: int):
    scene = build_scene(tmp_path, photos=False, bent=bent)
    pixels = grid_pixels(scene, view)
    tracked = GeometryTracker(scene).track(view, pixels, [target])
    expected, seen = truth(scene, view, target, pixels)
    known = expected.isfinite().all(-1)
    torch.testing.assert_close(tracked.positions[0][known], expected[known], rtol=0, atol=0.05)
    agrees = (tracked.visibility[0] >= 0.5) == seen
    assert agrees.float().mean() > 0.9  # the pixels that differ straddle the sphere's outline
    assert seen.any()
    assert not seen.all()


def test_unknown_depth_is_said(scene: Reconstruction):
    depth = scene.depth.clone()
    depth[0] = 0.0
    tracked = GeometryTracker(replace(scene, depth=depth)).track(
        0, torch.tensor([[160.0, 120.0]]), [1, 2]
    )
    assert tracked.positions.isnan().all()
    assert (tracked.visibility == 0).all()


def test_confidence_is_the_rank_in_the_photo(scene: Reconstruction):
    flat = torch.arange(112.0 * 112).view(1, 112, 112).expand(4, -1, -1)
    tracker = GeometryTracker(replace(scene, confidence=flat))
    placement = scene.placements[0]
    low, high = placement.to_original(torch.tensor([[0.5, 14.5], [111.5, 97.5]]))
    confidence = tracker.track(0, torch.stack([low, high]), [1]).confidence[0]
    assert confidence[0] == 0
    assert confidence[1] == pytest.approx(1, abs=1e-3)
    without = GeometryTracker(replace(scene, confidence=None))
    assert without.track(0, low[None], [1]).confidence.item() == 1


def test_a_scene_without_depth_is_refused(scene: Reconstruction):
    with pytest.raises(InputError, match="needs depth"):
        GeometryTracker(without_points(scene))
