"""Matches to a fraction of a pixel, by the pictures themselves.

Descriptors of cells find a place to a third of a cell or so, which is far too coarse to tell where
a camera stands. From there the patch around a cell is moved until it looks like the one in the
other view: iterated least squares on the pixels (Lucas and Kanade 1981), blind to brightness and
contrast. What does not come to look alike is trusted less.
"""

import itertools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.multiview.matches import ChosenPairs, SoftMatches
from glance3d.multiview.options import SubpixelOptions
from glance3d.nn.precision import autocast
from glance3d.nn.tables import cached_table, constant

_EPS = 1e-3
PAIRS_AT_A_TIME = 32  # bounds what is in flight


@torch.no_grad()
def refine_matches_subpixel(
    matches: SoftMatches,
    images: Float[Tensor, "batch views 3 height width"],
    grid: tuple[int, int],
    radius: int,
    options: SubpixelOptions,
) -> SoftMatches:
    """The same matches at finer places; ``mutual`` is less where the pictures differ.

    ``radius`` of the patches that are compared is in pixels, ``grid`` is (rows, columns) of the
    cells. The brightness of ``images`` may have any unit.
    """
    with autocast(images, enabled=False):
        cell = images.shape[-2] / grid[0]
        maps = image_gradients(images.float().mean(2))
        # Cells and pixels both count from the first one's centre.
        source = (matches.source_xy + 0.5) * cell - 0.5
        # Made once: see find_matches.
        target_xy, mutual = torch.empty_like(matches.target_xy), torch.empty_like(matches.mutual)
        for view in range(maps.shape[1]):
            coarse = (matches.target_xy[:, view] + 0.5) * cell - 0.5
            views = maps[:, view, None, :1].expand(-1, maps.shape[1], -1, -1, -1)
            max_shift = options.max_shift_cells * cell
            fine, likeness = align_patches(
                views, source[:, view], maps, coarse, radius, max_shift, options
            )
            target_xy[:, view] = (fine + 0.5) / cell - 0.5
            mutual[:, view] = matches.mutual[:, view] * likeness
    return matches._replace(target_xy=target_xy, mutual=mutual)


@torch.no_grad()
def refine_pairs_subpixel(
    matches: SoftMatches,
    images: Float[Tensor, "batch views 3 height width"],
    pairs: ChosenPairs,
    grid: tuple[int, int],
    radius: int,
    options: SubpixelOptions,
) -> SoftMatches:
    """As :func:`refine_matches_subpixel`, of :func:`~.chosen_pairs.match_pairs`' pairs."""
    with autocast(images, enabled=False):
        cell = images.shape[-2] / grid[0]
        maps = image_gradients(images.float().mean(2))
        scene = torch.arange(len(maps), device=maps.device)[:, None]
        target_xy, mutual = torch.empty_like(matches.target_xy), torch.empty_like(matches.mutual)
        for side, start in itertools.product(
            (0, 1), range(0, pairs.first.shape[1], PAIRS_AT_A_TIME)
        ):
            part = (slice(None), side, slice(start, start + PAIRS_AT_A_TIME))
            own, other = (
                maps[scene, views[:, part[2]]] for views in (pairs[side], pairs[1 - side])
            )
            source, coarse = (
                (xy[part] + 0.5) * cell - 0.5 for xy in (matches.source_xy, matches.target_xy)
            )
            max_shift = options.max_shift_cells * cell
            fine, likeness = align_patches(
                own[:, :, :1], source, other, coarse, radius, max_shift, options
            )
            target_xy[part] = (fine + 0.5) / cell - 0.5
            mutual[part] = matches.mutual[part] * likeness
    return matches._replace(target_xy=target_xy, mutual=mutual)


def align_patches(
    image: Float[Tensor, "batch views 1 height width"],
    source: Float[Tensor, "batch views cells 2"],
    maps: Float[Tensor, "batch views 3 height width"],
    coarse: Float[Tensor, "batch views cells 2"],
    radius: int,
    max_shift: float,
    options: SubpixelOptions,
) -> tuple[Float[Tensor, "batch views cells 2"], Float[Tensor, "batch views cells"]]:
    """Where ``maps`` (:func:`image_gradients`) look like ``image`` at ``source``; how much, 0 to 1.

    All places are in pixels, the first one's centre at 0. What moves more than ``max_shift`` from
    ``coarse`` stays there, and is not alike.
    """
    template, _ = _normalised(_patches_of_views(image, source, radius)[:, :, 0])
    fine, correlation = _lucas_kanade(template, maps, coarse, radius, options)
    # Farther off than descriptors are: something else that looks alike.
    lost = (fine - coarse).norm(dim=-1) > max_shift
    low, high = options.min_correlation, options.full_correlation
    share = ((correlation - low) / (high - low)).clamp(0, 1)
    return torch.where(lost[..., None], coarse, fine), torch.where(lost, 0.0, share.square())


def _lucas_kanade(
    template: Float[Tensor, "batch views cells pixels"],
    maps: Float[Tensor, "batch views 3 height width"],
    position: Float[Tensor, "batch views cells 2"],
    radius: int,
    options: SubpixelOptions,
) -> tuple[Float[Tensor, "batch views cells 2"], Float[Tensor, "batch views cells"]]:
    """Positions (in pixels) where every view looks most like the templates, and how much so.

    Gauss-Newton: with the gradient g of the patch and the window's weights w, a step solves
    ``sum(w g g^T) step = sum(w g (template - patch))``; the 2 x 2 system is solved by hand.
    """
    dot = torch.linalg.vecdot
    window = _window(radius, maps.device)
    for _ in range(options.iterations):
        patch, *gradients = _patches_of_views(maps, position, radius).unbind(2)
        normalised, contrast = _normalised(patch)
        dx, dy = (gradient / contrast for gradient in gradients)
        weighted_dx, weighted_dy, error = window * dx, window * dy, template - normalised
        xx, xy, yy = dot(weighted_dx, dx), dot(weighted_dx, dy), dot(weighted_dy, dy)
        x, y = dot(weighted_dx, error), dot(weighted_dy, error)
        # A little damping: along an edge the 2 x 2 matrix has no inverse.
        xx, yy = xx + 1e-4, yy + 1e-4
        step = torch.stack([yy * x - xy * y, xx * y - xy * x], -1) / (xx * yy - xy * xy)[..., None]
        position = position + step.clamp(-options.max_step, options.max_step)
    normalised, _ = _normalised(_patches_of_views(maps[:, :, :1], position, radius)[:, :, 0])
    return position, (normalised * template).sum(-1)


def image_gradients(
    gray: Float[Tensor, "batch views height width"],
) -> Float[Tensor, "batch views 3 height width"]:
    """The picture, and its central differences along x and y, zero at the border."""
    x = F.pad((gray[..., 2:] - gray[..., :-2]) / 2, (1, 1))
    y = F.pad((gray[..., 2:, :] - gray[..., :-2, :]) / 2, (0, 0, 1, 1))
    return torch.stack([gray, x, y], 2)


def _normalised(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Patches of mean zero and length one, and how long they were."""
    centered = patches - patches.mean(-1, keepdim=True)
    contrast = centered.norm(dim=-1, keepdim=True) + _EPS
    return centered / contrast, contrast


def _patches_of_views(
    maps: Float[Tensor, "batch views channels height width"],
    position: Float[Tensor, "batch views cells 2"],
    radius: int,
) -> Float[Tensor, "batch views channels cells pixels"]:
    patches = _patches(maps.flatten(0, 1), position.flatten(0, 1), radius)
    return patches.unflatten(0, maps.shape[:2])


def _patches(
    maps: Float[Tensor, "n channels height width"],
    position: Float[Tensor, "n cells 2"],
    radius: int,
) -> Float[Tensor, "n channels cells pixels"]:
    """Bilinear samples around positions in pixels, the first pixel's centre at 0."""
    height, width = maps.shape[-2:]
    scale = constant((2 / max(width - 1, 1), 2 / max(height - 1, 1)), maps.device)
    at = (position * scale - 1)[:, :, None] + _offsets(radius, maps.device) * scale
    return F.grid_sample(maps, at, align_corners=True, padding_mode="border")


@cached_table
def _offsets(radius: int, device: torch.device) -> Float[Tensor, "pixels 2"]:
    steps = torch.arange(-radius, radius + 1, device=device, dtype=torch.float32)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


@cached_table
def _window(radius: int, device: torch.device) -> Float[Tensor, " pixels"]:
    """A Gaussian, so that a patch's rim counts little."""
    # At the rim the weight is exp(-1.5^2 / 2), about a third.
    deviation = max(radius / 1.5, 0.5)
    return torch.exp(-_offsets(radius, device).square().sum(-1) / (2 * deviation**2))
