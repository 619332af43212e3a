"""The loss of rays: where every pixel's ray begins, and where it points.

Source: Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647), sections 3.1 and 3.3.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import camera_centers, camera_rays, pixel_grid
from glance3d.training.losses.scene import Losses


@torch.no_grad()
def ray_targets(
    cam_from_world: Float[Tensor, "batch views 3 4"],
    intrinsics: Float[Tensor, "batch views 3 3"],
    image_size: tuple[int, int],
    grid: tuple[int, int],
) -> Float[Tensor, "batch views rows columns 6"]:
    """Directions and origins in the world of the rays through the centres of a grid's cells.

    The grid of so many rows and columns covers the image, (height, width) in pixels. A direction is
    ``R K^-1 (u, v, 1)``, R of ``world_from_cam``: not of length 1, but ``origin + depth direction``
    is the point that a pixel of this z-depth sees. The origin is the camera's centre.
    """
    rows, columns = grid
    cell = intrinsics.new_tensor([image_size[1] / columns, image_size[0] / rows])
    pixels = pixel_grid(rows, columns, 0.5, intrinsics.device).flatten(0, 1) * cell
    rays = camera_rays(pixels.expand(*intrinsics.shape[:2], -1, -1), intrinsics)
    directions = (rays @ cam_from_world[..., :3]).unflatten(-2, grid)  # rows d^T R_cw = (R_wc d)^T
    origins = camera_centers(cam_from_world)[:, :, None, None].expand_as(directions)
    return torch.cat([directions, origins], -1)


def ray_loss(
    prediction: Float[Tensor, "batch views rows columns 6"],
    confidence: Float[Tensor, "batch views rows columns"],
    target: Float[Tensor, "batch views rows columns 6"],
    alpha: float = 0.2,
) -> Losses:
    """Confidence-weighted L1 error, less ``alpha * log(confidence)``, averaged over all rays.

    All rays count, also those that meet no surface. ``rays_error`` is the error without weights.
    """
    error = (prediction.float() - target).abs().sum(-1)
    confidence = confidence.float()
    value = (confidence * error - alpha * torch.log(confidence)).mean()
    return {"rays": value, "rays_error": error.mean().detach()}
