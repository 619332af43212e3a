"""True cameras in an arc, and the matches that every pair of them would have."""

import torch

from glance3d.geometry.cameras import project_points
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.types import Cameras
from tests.refinement.rendered import FOCAL, SIZE, arc


def true_cameras(num_views: int = 4) -> Cameras:
    matrix = torch.tensor([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]])
    return Cameras(
        torch.stack(arc(num_views)).float(),
        matrix.expand(num_views, 3, 3),
        torch.tensor([SIZE] * num_views),
    )


def graph_of(cameras: Cameras, num_points: int = 80, noise: float = 0.2) -> ViewGraph:
    """Every pair of views, with the projections of points in a box before them."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(num_points, 3, generator=generator) * 2 + torch.tensor([-1.0, -0.7, 1.0])
    count = len(cameras)
    pixels, _ = project_points(
        points.expand(count, -1, -1), cameras.cam_from_world, cameras.intrinsics
    )
    pixels = (pixels + noise * torch.randn(pixels.shape, generator=generator)).double().numpy()
    pairs = tuple(
        VerifiedPair(i, j, pixels[i], pixels[j], False)
        for i in range(count)
        for j in range(i + 1, count)
    )
    return ViewGraph(count, pairs)
