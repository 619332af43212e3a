"""A network's depth beside the depth of measured points, where a photo sees these."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from glance3d.geometry.filter import usable_depth
from glance3d.types import Placement


def depth_pairs(
    depth: Float[Tensor, "height width"],
    placement: Placement,
    pixels_original: Float[Tensor, "points 2"],
    measured: Float[Tensor, " points"],
) -> tuple[Float[Tensor, " usable"], Float[Tensor, " usable"]]:
    """Predicted and measured z-depth of points that a view sees; both above 0.

    Args:
        depth: The view's map, on the network's grid.
        placement: Of the original photo on this grid.
        pixels_original: Where the photo sees the points.
        measured: The points' z-depth.
    """
    predicted = _sample(depth, placement.to_processed(pixels_original))
    usable = usable_depth(predicted) & usable_depth(measured)
    return predicted[usable], measured[usable]


def _sample(
    grid: Float[Tensor, "height width"], pixels: Float[Tensor, "points 2"]
) -> Float[Tensor, " points"]:
    """Bilinear values at pixels."""
    height, width = grid.shape
    positions = pixels * 2 / pixels.new_tensor([width, height]) - 1
    sampled = grid_sample(
        grid[None, None], positions[None, None], padding_mode="border", align_corners=False
    )
    return sampled[0, 0, 0]
