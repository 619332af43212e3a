"""A sinusoidal code of where in the image a pixel is, aware of the image's aspect ratio.

The code of a pixel is half u (depends on the column alone) and half v (on the row alone), so it is
kept as two small tables and added by broadcasting.
"""

import math

import torch
import torch.nn.functional as F
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
    # Half the width and half the height of an image whose half diagonal is 1.
    for count, extent in ((width, aspect / diagonal), (height, 1 / diagonal)):
        # The outer pixels' centres: half a pixel, extent / count, inside the border.
        end = extent * (count - 1) / count
        positions = torch.linspace(-end, end, count, dtype=torch.float64)
        quarter = channels // 4
        # sin(omega_i p), cos(omega_i p); omega_i = base^(-i / quarter) (Vaswani et al. 2017).
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


@cached_table
def build_uv_code(
    grid: tuple[int, int], channels: int, aspect: float, device: torch.device
) -> Float[Tensor, "pixels channels"]:
    """The whole code of a small map, row by row, channels last."""
    u, v = build_uv_table(grid, channels, aspect, 100.0, device)
    code = torch.cat([u.expand(-1, grid[0], -1), v.expand(-1, -1, grid[1])])
    return code.flatten(1).T.contiguous()


def add_convolved_uv_code_(
    x: Float[Tensor, "views out_channels height width"],
    weight: Float[Tensor, "out_channels channels 3 3"],
    aspect: float,
    scale: float,
    base: float = 100.0,
) -> Float[Tensor, "views out_channels height width"]:
    """``conv(maps)`` plus ``scale * conv(code)``, in place: what convolving maps plus code gives.

    Half the code is the same in every row, the other half in every column. So is its convolution,
    but for the first and the last one: three rows and three columns are all there is to convolve.
    """
    height, width = x.shape[-2:]
    u, v = build_uv_table((height, width), weight.shape[1], aspect, base, x.device)
    of_u, of_v = weight.split(weight.shape[1] // 2, dim=1)
    # Three equal rows stand for all: the middle one has both neighbours, as every inner row has,
    # the outer ones have the padding's zeros on one side, as the first and the last row have.
    rows = F.conv2d((scale * u.expand(-1, 3, -1))[None].to(weight.dtype), of_u, padding=1)
    columns = F.conv2d((scale * v.expand(-1, -1, 3))[None].to(weight.dtype), of_v, padding=1)
    x.add_(rows[:, :, 1:2]).add_(columns[..., 1:2])
    # What the padding takes away at the four edges; a corner loses both.
    for edge, of_three in ((0, 0), (-1, 2)):
        x[:, :, edge] += rows[:, :, of_three] - rows[:, :, 1]
        x[..., edge] += columns[..., of_three] - columns[..., 1]
    return x
