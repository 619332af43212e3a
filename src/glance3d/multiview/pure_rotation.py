"""Pairs of photos between which the camera only rotated: they measure no distance."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import nearest_rotation
from glance3d.multiview.view_graph import VerifiedPair, homogeneous
from glance3d.types import Cameras

# A rotation explains a pair's matches if it takes half of them, and nine in ten, to within so many
# pixels, or of pixels at a diagonal of a thousand where these are larger. Matches are about half
# a pixel off.
_MEDIAN = 1.5
_P90 = 4.0
# It must do so nearly as well as any homography does: a plane that is passed by looks like a
# rotation, but not quite. Times as far, and pixels farther.
_TIMES_AS_FAR = 1.25
_FARTHER = 0.15
_ROUNDS = 5
_MAX_MATCHES = 500
# Focal lengths that are tried, in longer sides: those of most cameras. Adjusted to matches without
# parallax, or guessed by a network, the cameras' own may be far off. With much longer ones a
# rotation would explain a plane that is passed by, too.
_FOCALS = tuple(0.5 * 1.17**step for step in range(9))
_FINE_STEPS = tuple(1.02**step for step in range(-7, 8) if step)


def is_pure_rotation(pair: VerifiedPair, *candidates: Cameras) -> bool:
    """Whether one camera, rotated about its centre, could have taken both photos.

    Its focal length is that of any of the ``candidates``, or any usual one. A plane that is seen
    from two places looks otherwise: its image is sheared as no rotation does.
    """
    stride = -(-len(pair) // _MAX_MATCHES)
    first = homogeneous(pair.pixels_first[::stride])
    second = homogeneous(pair.pixels_second[::stride])
    unit = max(1.0, candidates[0].pixel_unit)
    errors = _best_rotation_errors(pair, first, second, candidates)
    median = float(errors.quantile(0.5))
    if median > _MEDIAN * unit or float(errors.quantile(0.9)) > _P90 * unit:
        return False
    _, of_homography = fit_homography(first, second)
    return median <= _TIMES_AS_FAR * float(of_homography.quantile(0.5)) + _FARTHER * unit


def _best_rotation_errors(
    pair: VerifiedPair,
    first: Float[Tensor, "matches 3"],
    second: Float[Tensor, "matches 3"],
    candidates: Sequence[Cameras],
) -> Float[Tensor, " matches"]:
    """Errors in pixels under the focal length that suits a rotation best."""
    views = [pair.first, pair.second]
    sizes = candidates[0].image_sizes[views].double()

    def errors_of(intrinsics: Float[Tensor, "lenses 2 3 3"]) -> Float[Tensor, "lenses matches"]:
        x, y = _unit_rays(first, intrinsics[:, 0]), _unit_rays(second, intrinsics[:, 1])
        return fit_rotation(x, y)[1] * intrinsics[:, 1, 0, :1]

    given = errors_of(torch.stack([cameras.intrinsics[views].double() for cameras in candidates]))
    coarse = errors_of(_centred_intrinsics(sizes, _FOCALS))
    near = _FOCALS[int(coarse.quantile(0.5, dim=-1).argmin())]
    fine = errors_of(_centred_intrinsics(sizes, [near * step for step in _FINE_STEPS]))
    errors = torch.cat([given, coarse, fine])
    return errors[errors.quantile(0.5, dim=-1).argmin()]


def _centred_intrinsics(
    sizes: Float[Tensor, "2 2"], focals: Sequence[float]
) -> Float[Tensor, "lenses 2 3 3"]:
    """Of both photos, (width, height) ``sizes``; focal lengths are in longer sides."""
    intrinsics = torch.zeros(len(focals), 2, 3, 3, dtype=torch.float64)
    pixels = torch.tensor(focals, dtype=torch.float64)[:, None] * sizes.amax(-1)
    intrinsics[..., 0, 0] = intrinsics[..., 1, 1] = pixels
    intrinsics[..., :2, 2], intrinsics[..., 2, 2] = sizes / 2, 1.0
    return intrinsics


def _unit_rays(
    pixels: Float[Tensor, "matches 3"], intrinsics: Float[Tensor, "lenses 3 3"]
) -> Float[Tensor, "lenses matches 3"]:
    """Unit vectors; distortion is ignored, as it is in epipolar errors."""
    rays = pixels @ torch.linalg.inv(intrinsics).mT
    return rays / rays.norm(dim=-1, keepdim=True)


def fit_rotation(
    x: Float[Tensor, "*batch matches 3"], y: Float[Tensor, "*batch matches 3"]
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch matches"]]:
    """The rotation of unit vectors ``x`` that leaves the least sum of distances to ``y``; these.

    Least absolute values by reweighted least squares, each solved as Kabsch did.
    """
    weights, rotation = torch.ones_like(x[..., 0]), x.new_zeros(())
    errors = torch.zeros_like(weights)
    for _ in range(_ROUNDS):
        rotation = nearest_rotation((y * weights[..., None]).mT @ x)
        errors = (y - x @ rotation.mT).norm(dim=-1)
        weights = 1 / errors.clamp(min=1e-6)
    return rotation, errors


def fit_homography(
    first: Float[Tensor, "matches 3"], second: Float[Tensor, "matches 3"]
) -> tuple[Float[Tensor, "3 3"], Float[Tensor, " matches"]]:
    """The homography with the least distances in the second photo, and these, in pixels.

    Pixels are homogeneous, the matrix is ``second_from_first``. Reweighted as :func:`fit_rotation`;
    each equation is also weighted so that it measures pixels.

    Source: Hartley and Zisserman, "Multiple View Geometry", section 4.1, the normalised direct
    linear transform.
    """
    from_first, from_second = _normalisation(first), _normalisation(second)
    a, b = first @ from_first.T, second @ from_second.T
    zero = torch.zeros_like(a)
    # Rows of A in A vec(H) = 0: those of x' (h3 a) = h1 a, then those of y' (h3 a) = h2 a.
    equations = torch.cat(
        [torch.cat([a, zero, -b[:, :1] * a], 1), torch.cat([zero, a, -b[:, 1:2] * a], 1)]
    )
    weights, homography = a.new_ones(len(a)), a.new_zeros(3, 3)
    errors = torch.zeros_like(weights)
    for _ in range(_ROUNDS):
        weighted = equations * weights.repeat(2)[:, None]
        homography = torch.linalg.svd(weighted, full_matrices=False)[2][-1].view(3, 3)
        mapped = a @ homography.T
        w = torch.where(mapped[:, 2].abs() > 1e-9, mapped[:, 2], 1e-9)
        errors = (mapped[:, :2] / w[:, None] - b[:, :2]).norm(dim=-1) / from_second[0, 0]
        weights = 1 / w.abs() / errors.clamp(min=1e-3).sqrt()
    return torch.linalg.inv(from_second) @ homography @ from_first, errors


def _normalisation(pixels: Float[Tensor, "matches 3"]) -> Float[Tensor, "3 3"]:
    """What takes homogeneous pixels to places about 0, at a distance of about 1."""
    mean = pixels[:, :2].mean(0)
    distance = (pixels[:, :2] - mean).norm(dim=-1).mean()
    scale = 1 / distance.clamp(min=1e-9)
    normalisation = torch.eye(3, dtype=pixels.dtype)
    normalisation[0, 0] = normalisation[1, 1] = scale
    normalisation[:2, 2] = -scale * mean
    return normalisation
