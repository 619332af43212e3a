"""Cameras, depth, pictures and tracks of synthetic scenes must tell one story."""

import numpy as np
import torch
import torch.nn.functional as F

from glance3d.datasets import MultiViewSample
from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.layouts import LAYOUTS
from glance3d.datasets.synthetic.scenes import DRAWS_PER_SCENE, draw_scenes
from glance3d.datasets.synthetic.tracks import make_tracks
from glance3d.datasets.synthetic.trajectories import draw_cameras, draw_intrinsics
from glance3d.geometry.cameras import camera_centers, project_points, unproject_depth
from tests.reference.raycast import first_hit


def _at(maps: torch.Tensor, pixels: torch.Tensor, mode: str) -> torch.Tensor:
    """``maps`` [batch, channels, height, width] at ``pixels`` [batch, points, 2]."""
    height, width = maps.shape[-2:]
    grid = 2 * pixels / pixels.new_tensor([width, height]) - 1
    return F.grid_sample(maps, grid[:, None], mode=mode, align_corners=False)[:, :, 0]


def _transfer(batch: MultiViewSample, i: int, j: int):
    """View i's surface points in view j: which are seen there, both colours, overlap."""
    points = unproject_depth(batch.depth[:, i], batch.cam_from_world[:, i], batch.intrinsics[:, i])
    pixels, depth = project_points(
        points.flatten(1, 2), batch.cam_from_world[:, j], batch.intrinsics[:, j]
    )
    height, width = batch.depth.shape[-2:]
    inside = ((pixels > 0.5) & (pixels < pixels.new_tensor([width, height]) - 0.5)).all(-1)
    inside &= (depth > 0) & batch.valid[:, i].flatten(1)
    surface = _at(batch.depth[:, j, None], pixels, "nearest")[:, 0]
    agrees = inside & ((surface - depth).abs() < 0.03 * depth)
    before = inside & (surface > 1.03 * depth)
    colors = batch.images[:, i].flatten(2), _at(batch.images[:, j], pixels, "bilinear")
    return inside, agrees, before, colors


def test_depth_and_cameras_agree_between_views(batches: list[MultiViewSample]) -> None:
    """What view i sees, view j sees at the same place or something nearer, never through it."""
    through, seen, inside_total = 0, 0, 0
    for batch in batches:
        for j in range(1, batch.images.shape[1]):
            inside, agrees, before, _ = _transfer(batch, 0, j)
            inside_total += inside.sum()
            seen += agrees.sum()
            through += before.sum()
    assert seen / inside_total > 0.6
    # Nearest-pixel look-up across a silhouette, and sky, account for the few.
    assert through / inside_total < 0.06


def test_pictures_agree_between_views(batches: list[MultiViewSample]) -> None:
    correlations = []
    for batch in batches:
        for j in range(1, batch.images.shape[1]):
            _, agrees, _, (source_colors, target_colors) = _transfer(batch, 0, j)
            for scene in range(len(agrees)):
                mask = agrees[scene]
                if mask.sum() > 200:
                    pair = torch.stack(
                        [source_colors[scene].mean(0)[mask], target_colors[scene].mean(0)[mask]]
                    )
                    correlations.append(torch.corrcoef(pair)[0, 1].item())
    assert len(correlations) > 15
    assert np.median(correlations) > 0.8
    assert np.mean(np.array(correlations) > 0.4) > 0.9


def test_views_overlap(batches: list[MultiViewSample]) -> None:
    shares = []
    for batch in batches:
        for i in range(1, batch.images.shape[1]):
            best = torch.zeros(len(batch.images))
            for j in {0, i - 1}:
                _, agrees, _, _ = _transfer(batch, i, j)
                share = agrees.sum(1) / batch.valid[:, i].flatten(1).sum(1).clamp(min=1)
                best = torch.maximum(best, share)
            shares.append(best)
    overlap = torch.cat(shares)
    assert 0.35 < overlap.median() < 0.75
    assert (overlap < 0.1).float().mean() < 0.08
    assert overlap.std() > 0.1


def test_tracks_agree_with_the_depth_maps(batches: list[MultiViewSample]) -> None:
    agree, total = 0.0, 0
    for batch in batches:
        height, width = batch.depth.shape[-2:]
        torch.testing.assert_close(batch.tracks[:, 0], batch.query_points, atol=2e-2, rtol=0)
        for view in range(batch.images.shape[1]):
            seen, tracks = batch.visibility[:, view], batch.tracks[:, view]
            assert (tracks[seen] >= 0).all()
            assert (tracks[seen] <= tracks.new_tensor([width, height])).all()
            depth = _at(batch.depth[:, :1, None][:, 0], batch.query_points, "nearest")[
                :, 0, :, None
            ]
            # The query's point from the first view's depth map, a fraction of a pixel off.
            ray = torch.cat([batch.query_points, torch.ones_like(depth)], -1)
            cam = depth * (ray @ batch.intrinsics[:, 0].inverse().mT)
            first = batch.cam_from_world[:, 0]
            world = (cam - first[:, None, :, 3]) @ first[..., :3]
            pixels, _ = project_points(
                world, batch.cam_from_world[:, view], batch.intrinsics[:, view]
            )
            agree += ((pixels - tracks).norm(dim=-1)[seen] < 1.5).sum()
            total += seen.sum()
    assert total > 500
    assert agree / total > 0.9


def test_tracks_and_visibility_agree_with_slow_rays() -> None:
    """Point by point: its ray in the first view, its projection, a ray back from each view."""
    draws = Draws(11, 6, DRAWS_PER_SCENE, torch.device("cpu"))
    size, num_queries = (48, 64), 12
    scenes, layout = draw_scenes(draws, num_textures=8)
    intrinsics = draw_intrinsics(draws, 3, *size, (30.0, 80.0))
    cameras = draw_cameras(draws, scenes, layout, intrinsics, size)
    valid = torch.ones(6, *size, dtype=torch.bool)
    queries, tracks, visibility = make_tracks(
        draws, scenes, torch.rand(6, 3, *size), valid, cameras, intrinsics, num_queries
    )
    centers = camera_centers(cameras).double().numpy()
    shapes = scenes.local_from_world.double().numpy()
    poses, lenses = cameras.double().numpy(), intrinsics.double().numpy()
    doubtful = 0
    for scene in range(6):
        for query in range(num_queries):
            pixel = np.append(queries[scene, query].double().numpy(), 1)
            ray = poses[scene, 0, :, :3].T @ np.linalg.inv(lenses[scene, 0]) @ pixel
            depth, _ = first_hit(shapes[scene], centers[scene, 0], ray)
            point = centers[scene, 0] + depth * ray
            for view in range(3):
                x, y, z = lenses[scene, view] @ (poses[scene, view] @ np.append(point, 1))
                projected = tracks[scene, view, query].double().numpy()
                if z > 0.05:
                    np.testing.assert_allclose(projected, [x / z, y / z], rtol=1e-3, atol=0.05)
                t, _ = first_hit(shapes[scene], centers[scene, view], point - centers[scene, view])
                inside = z > 0 and 0 <= x / z < size[1] and 0 <= y / z < size[0]
                seen = bool(inside and t > 0.999)
                doubtful += seen != bool(visibility[scene, view, query])
    assert 0.2 < visibility[:, 1:].float().mean() < 0.95
    assert doubtful <= 2


def test_no_camera_stands_inside_something() -> None:
    draws = Draws(2, 60, DRAWS_PER_SCENE, torch.device("cpu"))
    scenes, layout = draw_scenes(draws, num_textures=8)
    intrinsics = draw_intrinsics(draws, 3, 64, 64, (25.0, 90.0))
    cameras = draw_cameras(draws, scenes, layout, intrinsics, (64, 64))
    centers = camera_centers(cameras)
    local = torch.einsum("bpij,bvj->bvpi", scenes.local_from_world[..., :3], centers)
    local = local + scenes.local_from_world[:, None, :, :, 3]
    inside = local[:, :, :-1].abs().amax(-1) < 1
    assert inside.any(-1).float().mean() < 0.03
    in_room = local[:, :, -1].abs().amax(-1) < 1
    assert in_room.all()


def test_every_layout_puts_finite_shapes_above_the_floor() -> None:
    for make, share in LAYOUTS:
        layout = make(Draws(0, 20, DRAWS_PER_SCENE, torch.device("cpu")))
        assert share > 0
        for field in layout:
            assert torch.isfinite(field.float()).all()
        assert (layout.half_sizes > 0).all()
        eye = torch.eye(3).expand_as(layout.rotations)
        torch.testing.assert_close(layout.rotations @ layout.rotations.mT, eye, atol=1e-4, rtol=0)
        assert (layout.centers[..., 2] > 0).float().mean() > 0.95
