"""A sinusoidal code of where in the image a pixel is, aware of the image's aspect ratio.

The code of a pixel is half u (depends on the column alone) and half v (on the row alone), so it is
kept as two small tables and added by broadcasting.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.nn.tables import cached_table


@cached_table
def build_uv_table(
    size: tuple[int, int], channels: int, aspect: float, base: float, device: torch.device
) -> tuple[Float[Tensor, "half 1 width"], Float[Tensor, "half height 1"]]:
    """Codes of the columns and of the rows of a map of ``size`` (height, width).

    ``aspect`` is width / height of the image. The image's half diagonal has length 1; the ends of
    an axis lie half a map pixel inside the image's border. Made in float64.
    """
    height, width = size
    diagonal = math.sqrt(aspect**2 + 1)
    axes = []
    for count, extent in ((width, aspect / diagonal), (height, 1 / diagonal)):
        end = extent * (count - 1) / count
        positions = torch.linspace(-end, end, count, dtype=torch.float64)
        quarter = channels // 4
        omega = base ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
        angles = omega[:, None] * positions
        axes.append(torch.cat([angles.sin(), angles.cos()]).float().to(device))
    return axes[0][:, None, :], axes[1][:, :, None]


def add_uv_embedding(
    maps: Float[Tensor, "views channels height width"],
    aspect: float,
    scale: float = 0.1,
    base: float = 100.0,
) -> Float[Tensor, "views channels height width"]:
    """The maps plus ``scale`` times the code of each pixel: u in the first half of the channels."""
    size = (maps.shape[-2], maps.shape[-1])
    channels = maps.shape[1]
    u, v = build_uv_table(size, channels, aspect, base, maps.device)
    first, second = maps.split(channels // 2, dim=1)
    return torch.cat([first + scale * u, second + scale * v], dim=1)
