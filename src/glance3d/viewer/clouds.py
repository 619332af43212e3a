"""Point clouds to draw: depth of the photos, or measured points, with their certainty."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from glance3d.exporters.points.point_cloud import points_depth
from glance3d.exporters.presentation import confidence_percentiles
from glance3d.geometry.filter import spread_sample
from glance3d.geometry.similarity import Similarity
from glance3d.types import Reconstruction

# Larger clouds are thinned when the scene is opened, so that arrays stay below a gigabyte.
MAX_LOADED = 8_000_000
_SPARSE_SIZE = 3.0  # measured points stand alone, and are drawn larger than pixels
_NOT_MEASURED = np.array([150, 150, 150], np.uint8)
_MEASURED = np.array([40, 160, 90], np.uint8)


@dataclass(frozen=True)
class Cloud:
    """Points in the display's world.

    ``ranks`` (0 to 100) order them by certainty: a percentile ``p`` keeps those whose rank is above
    ``p``. ``footprints`` are how large each point should be drawn for a closed surface.
    ``num_in_scene`` counts them before they were thinned to what can be held.
    """

    points: Float[np.ndarray, "points 3"]
    colors: UInt8[np.ndarray, "points 3"]
    ranks: Float[np.ndarray, " points"]
    footprints: Float[np.ndarray, " points"]
    views: Int64[np.ndarray, " points"]
    measured: Bool[np.ndarray, " points"] | None
    num_in_scene: int

    def __len__(self) -> int:
        return len(self.points)

    def reordered(self, order: Int64[np.ndarray, " kept"]) -> "Cloud":
        """The points at ``order``, in that order."""
        return replace(
            self,
            points=self.points[order],
            colors=self.colors[order],
            ranks=self.ranks[order],
            footprints=self.footprints[order],
            views=self.views[order],
            measured=None if self.measured is None else self.measured[order],
        )


def depth_cloud(scene: Reconstruction, display: Similarity) -> Cloud:
    """One point for each pixel that exports would use."""
    assert scene.points_world is not None
    percentiles = confidence_percentiles(scene).flatten()
    flat = (percentiles > 0).nonzero().squeeze(-1)
    kept = spread_sample(len(flat), MAX_LOADED)
    at = flat[kept]
    views = at // scene.colors[0, ..., 0].numel()
    focal = torch.stack(
        [
            placement.intrinsics_to_processed(intrinsics.double())[0, 0]
            for placement, intrinsics in zip(
                scene.placements, scene.cameras.intrinsics, strict=True
            )
        ]
    )
    footprints = points_depth(scene).flatten()[at].double() * display.scale / focal[views]
    return Cloud(
        _displayed(scene.points_world.flatten(0, 2)[at], display),
        scene.colors.flatten(0, 2)[at].numpy(),
        percentiles[at].numpy(),
        footprints.float().numpy(),
        views.numpy(),
        None if scene.measured is None else scene.measured.flatten()[at].numpy(),
        len(flat),
    )


def sparse_cloud(scene: Reconstruction, display: Similarity) -> Cloud:
    """The measured points; one is more certain the more photos see it."""
    sparse = scene.sparse
    assert sparse is not None
    seen_by = sparse.num_observations_of_each()
    below = torch.searchsorted(seen_by.sort().values, seen_by, right=True)
    ranks = 100 * below.float() / len(sparse)
    first_view = torch.full((len(sparse),), scene.num_views - 1)
    first_view.scatter_reduce_(0, sparse.point_indices, sparse.view_indices, "amin")
    points = sparse.points_world.double()
    focal = scene.cameras.intrinsics[first_view, 0, 0].double()
    distance = (points - scene.cameras.centers[first_view].double()).norm(dim=1)
    long_side = max(scene.colors.shape[1:3]) / scene.cameras.image_sizes.max().item()
    footprints = _SPARSE_SIZE * display.scale * distance / (focal * long_side)
    return Cloud(
        _displayed(points, display),
        sparse.colors.numpy(),
        ranks.numpy(),
        footprints.float().numpy(),
        first_view.long().numpy(),
        None,
        len(sparse),
    )


def painted(cloud: Cloud, colouring: str, num_views: int) -> UInt8[np.ndarray, "points 3"]:
    """The colour of each point: as in the "photos", or by "confidence", "photo" or "measured"."""
    if colouring == "confidence":
        return _spectrum(cloud.ranks / 100)
    if colouring == "photo":
        return view_colors(num_views)[cloud.views]
    if colouring == "measured" and cloud.measured is not None:
        return np.where(cloud.measured[:, None], _MEASURED, _NOT_MEASURED)
    return cloud.colors


def view_colors(num_views: int) -> UInt8[np.ndarray, "views 3"]:
    """One colour a photo, from red (the reference) around the circle, as in ``scene.glb``."""
    import colorsys

    rgb = [colorsys.hsv_to_rgb(0.85 * view / num_views, 0.85, 0.95) for view in range(num_views)]
    return (np.array(rgb).reshape(-1, 3) * 255).round().astype(np.uint8)


def _spectrum(level: Float[np.ndarray, " points"]) -> UInt8[np.ndarray, "points 3"]:
    """From uncertain (dark blue) to certain (bright), as in depth previews."""
    from glance3d.exporters.maps.colormap import colorize_depth

    inverse = torch.from_numpy(np.ascontiguousarray(level)).clamp_min(1e-6)
    valid = torch.ones(1, len(level), dtype=torch.bool)
    return colorize_depth(1 / inverse[None], valid, (0.0, 1.0))[0].numpy()


def _displayed(points: Float[Tensor, "points 3"], display: Similarity) -> np.ndarray:
    return display.transform_points(points.double()).float().numpy()
