"""Patches of one photo found again in others, to a fraction of a pixel, by affine warps.

Inverse compositional Gauss-Newton (Baker and Matthews, "Lucas-Kanade 20 years on", IJCV 2004,
section 3.2) on patches of mean zero and length one, which are blind to brightness and contrast
(Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation coefficient
maximization", PAMI 2008): the template's derivatives are made once, and each step samples only the
other photo.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Of all grey levels: less contrast is none.
_EPS = 1e-4
# What an affine change costs against grey levels: keeps it still where a patch says nothing of it.
_DAMPING = 1e-3
# So that there is a step where there is nothing to see.
_SHIFT_DAMPING = 1e-6


class Templates(NamedTuple):
    """Square patches of one size, row by row: grey levels and their changes along x and y.

    ``values`` have weighted mean zero and length one; ``slopes`` are per pixel of the template, in
    the same unit, which is ``contrast`` grey levels (0 to 1, root mean square).
    """

    values: Float[Tensor, "n pixels"]
    slopes: Float[Tensor, "n 2 pixels"]
    contrast: Float[Tensor, " n"]

    def at(self, rows: Tensor) -> "Templates":
        """Those in certain rows."""
        return Templates(*(field[rows] for field in self))


class Warps(NamedTuple):
    """From a template's pixels, about its middle, to a photo's: ``linear`` x + ``middle``."""

    linear: Float[Tensor, "n 2 2"]
    middle: Float[Tensor, "n 2"]


class Aligned(NamedTuple):
    """Where patches were found, how alike they are there (correlation, -1 to 1), and how exactly.

    ``deviation`` is a standard deviation of the middle in pixels of the template, along its worst
    direction, if what differs were independent from pixel to pixel.
    """

    warps: Warps
    correlation: Float[Tensor, " n"]
    deviation: Float[Tensor, " n"]


def offsets(radius: int) -> Float[Tensor, "pixels 2"]:
    """A template's pixels (x, y) about its middle."""
    steps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def window(radius: int) -> Float[Tensor, " pixels"]:
    """A Gaussian of sum one, about a third of its height at the rim's middle."""
    weights = torch.exp(-offsets(radius).square().sum(-1) / (2 * (radius / 1.5) ** 2))
    return weights / weights.sum()


def sample(
    picture: Float[Tensor, "channels height width"], at: Float[Tensor, "n pixels 2"]
) -> Float[Tensor, "channels n pixels"]:
    """Bilinear samples; the top left pixel's centre is (0.5, 0.5), the rim goes on outside."""
    size = at.new_tensor(picture.shape[:0:-1])
    sampled = F.grid_sample(
        picture[None], (2 * at / size - 1)[None], padding_mode="border", align_corners=False
    )
    return sampled[0]


def cut_templates(
    picture: Float[Tensor, "height width"], middles: Float[Tensor, "n 2"], radius: int
) -> Templates:
    """Templates around places of one photo."""
    slopes = torch.stack(torch.gradient(picture)[::-1])
    at = middles[:, None] + offsets(radius)
    grey, dx, dy = sample(torch.cat([picture[None], slopes]), at)
    values, contrast = _normalised(grey, window(radius))
    return Templates(values, torch.stack([dx, dy], 1) / contrast[:, None, None], contrast)


def align(
    templates: Templates,
    picture: Float[Tensor, "height width"],
    start: Warps,
    *,
    affine: bool,
    iterations: int,
) -> Aligned:
    """Move ``start`` until the photo looks like the templates; its shape, too, if ``affine``."""
    radius = round((templates.values.shape[-1] ** 0.5 - 1) / 2)
    weights, grid = window(radius), offsets(radius)
    steepest = _steepest(templates, weights, grid / radius, affine)
    # H[i, j] = sum over pixels of w J_i J_j, damped in the affine part alone.
    weighted = steepest * weights
    hessian = weighted @ steepest.mT
    damping = torch.full((hessian.shape[-1],), _DAMPING * float(affine))
    damping[-2:] = _SHIFT_DAMPING
    inverse = torch.linalg.inv(hessian + torch.diag(damping))
    solver = inverse @ weighted
    linear, middle = start
    for _ in range(iterations):
        seen = _look(picture, Warps(linear, middle), grid, weights)
        step = (solver @ (seen - templates.values)[..., None])[..., 0]
        linear, middle = _compose(linear, middle, step, radius)
    warps = Warps(linear, middle)
    seen = _look(picture, warps, grid, weights)
    correlation = (weights * seen * templates.values).sum(-1)
    # Variance a pixel times the inverse of H for as many pixels as the window is worth.
    variance = (weights * (seen - templates.values).square()).sum(-1) * weights.square().sum()
    of_middle = inverse[:, -2:, -2:]
    trace, determinant = of_middle.diagonal(dim1=-1, dim2=-2).sum(-1), torch.det(of_middle)
    worst = trace / 2 + (trace.square() / 4 - determinant).clamp(min=0).sqrt()
    return Aligned(warps, correlation, (variance * worst).clamp(min=0).sqrt())


def correlate(
    templates: Templates, picture: Float[Tensor, "height width"], warps: Warps
) -> Float[Tensor, " n"]:
    """How alike the photo is where the warps point, from -1 to 1."""
    radius = round((templates.values.shape[-1] ** 0.5 - 1) / 2)
    seen = _look(picture, warps, offsets(radius), window(radius))
    return (window(radius) * seen * templates.values).sum(-1)


def _steepest(
    templates: Templates, weights: Tensor, grid: Float[Tensor, "pixels 2"], affine: bool
) -> Float[Tensor, "n parameters pixels"]:
    """Derivatives of the normalised template by the warp's parameters, the shift's two last.

    Without the parts that brightness and contrast make up for: the mean, and the template itself.
    """
    parts = [templates.slopes]
    if affine:
        # x' = x + a x + b y, y' = y + c x + d y in radii: I_x x, I_x y, I_y x, I_y y.
        by_place = templates.slopes[:, :, None] * grid.T[None, None]
        parts.insert(0, by_place.flatten(1, 2))
    steepest = torch.cat(parts, 1)
    steepest = steepest - (weights * steepest).sum(-1, keepdim=True)
    along = (weights * steepest * templates.values[:, None]).sum(-1, keepdim=True)
    return steepest - along * templates.values[:, None]


def _compose(
    linear: Tensor, middle: Tensor, step: Float[Tensor, "n parameters"], radius: int
) -> tuple[Tensor, Tensor]:
    """The warp after the inverse of the step: x to linear (I + D)^-1 (x - d) + middle."""
    shift = step[:, -2:, None].clamp(-1.5, 1.5)
    if step.shape[-1] > 2:
        change = step[:, :4].clamp(-2.0, 2.0).unflatten(-1, (2, 2)) / radius
        linear = linear @ torch.linalg.inv(torch.eye(2) + change)
    return linear, middle - (linear @ shift)[..., 0]


def _look(
    picture: Tensor, warps: Warps, grid: Float[Tensor, "pixels 2"], weights: Tensor
) -> Float[Tensor, "n pixels"]:
    at = grid @ warps.linear.mT + warps.middle[:, None]
    return _normalised(sample(picture[None], at)[0], weights)[0]


def _normalised(patches: Float[Tensor, "n pixels"], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Patches of weighted mean zero and length one, and how long they were."""
    centred = patches - (weights * patches).sum(-1, keepdim=True)
    length = (weights * centred.square()).sum(-1).sqrt().clamp(min=_EPS)
    return centred / length[:, None], length
