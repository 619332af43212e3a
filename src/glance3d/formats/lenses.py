"""Lens models of other tools, as a pinhole with at most one coefficient of radial distortion.

Convention of every model here (COLMAP's, OpenCV's): a ray (u, v, 1) moves on the plane at depth 1
by its distortion and then goes through fx, fy, cx, cy. What a single k1 cannot say (k2, k3 and
tangential terms) is fitted: the pinhole and k1 with the least squared pixel distance over the
photo, and the largest distance that remains is reported.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError

_NOTABLE_PIXELS = 0.1
# Of the longer side: a field of view of 179.8 degrees, and one of a millionth of a degree.
_FOCAL_SHARES = (1e-3, 1e7)
_FARTHEST_CENTER = 100.0  # sides of the photo, as a small cut-out of a large picture has it
_FARTHEST_PIXELS = 0.1  # of the longer side: no coefficient comes near such a lens
# A k1 that moves the corner ray by more than ten times its length is implausible.
_STRONGEST_BEND = 10.0
_GRID = 24
_ITERATIONS = 10
DISTORTIONS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


@dataclass(frozen=True)
class Lens:
    """Pinhole intrinsics and k1; ``error_px`` is how far a pixel may be from the lens's own."""

    intrinsics: Float[Tensor, "3 3"]
    radial: float
    error_px: float = 0.0

    @property
    def warning(self) -> str | None:
        """What a person should know, if the difference can be seen."""
        if self.error_px <= _NOTABLE_PIXELS:
            return None
        return (
            "a lens with more than one coefficient of distortion was fitted by one: pixels differ "
            f"by up to {self.error_px:.2g}; undistort the photos first to keep it exact"
        )


def build_lens(
    focal: tuple[float, float],
    center: tuple[float, float],
    size: tuple[int, int],
    distortion: Mapping[str, float],
) -> Lens:
    """The lens with these parameters, by name as in OpenCV's rational model (``DISTORTIONS``).

    Raises:
        CamerasError: no photo of this ``size`` was taken through it.
    """
    values = (*focal, *center, *distortion.values())
    if not all(math.isfinite(value) for value in values):
        raise CamerasError("a lens with parameters that are not finite")
    low, high = (share * max(size) for share in _FOCAL_SHARES)
    if not low <= min(focal) <= max(focal) <= high:
        raise CamerasError(
            f"a lens whose focal length must be from {low:g} to {high:g} for a photo of {size[0]} "
            f"x {size[1]} pixels, got {focal[0]:g}, {focal[1]:g}"
        )
    for value, side in zip(center, size, strict=True):
        if abs(value - side / 2) > _FARTHEST_CENTER * side:
            raise CamerasError(
                f"a lens with the principal point {center[0]:g}, {center[1]:g}, far outside the "
                f"photo of {size[0]} x {size[1]} pixels"
            )
    bent = tuple(sorted((name, float(value)) for name, value in distortion.items() if value))
    lens = _build_lens(focal, center, size, bent)
    is_near = lens.error_px <= _FARTHEST_PIXELS * max(size) and is_plausible_lens(
        lens.intrinsics, lens.radial, size
    )
    if not is_near:
        raise CamerasError(f"a lens whose distortion tears the photo apart: {dict(bent)}")
    return lens


def is_plausible_lens(
    intrinsics: Float[Tensor, "3 3"], radial: float, size: tuple[int, int]
) -> bool:
    """Whether its numbers are finite, and the photo's corner moves by a few times its distance."""
    focal = intrinsics.diagonal()[:2]
    if not (intrinsics.isfinite().all() and focal.min() > 0):
        return False
    low, high = (share * max(size) for share in _FOCAL_SHARES)
    corner = torch.tensor(size, dtype=torch.float64) / 2 / focal
    is_straight = abs(radial) * float(corner.square().sum()) <= _STRONGEST_BEND
    return is_straight and low <= float(focal.min()) and float(focal.max()) <= high


def focal_of_angles(
    angle_x: float | None, angle_y: float | None, size: tuple[int, int]
) -> tuple[float, float]:
    """Focal lengths in pixels for fields of view in radians; either alone means square pixels."""
    focals = [
        None if angle is None else side / 2 / math.tan(angle / 2)
        for angle, side in zip((angle_x, angle_y), size, strict=True)
    ]
    known = next(focal for focal in focals if focal is not None)
    return (
        known if focals[0] is None else focals[0],
        known if focals[1] is None else focals[1],
    )


@lru_cache(maxsize=256)  # the frames of one camera come one after the other
def _build_lens(
    focal: tuple[float, float],
    center: tuple[float, float],
    size: tuple[int, int],
    bent_items: tuple[tuple[str, float], ...],
) -> Lens:
    bent = dict(bent_items)
    intrinsics = torch.tensor(
        [[focal[0], 0, center[0]], [0, focal[1], center[1]], [0, 0, 1]], dtype=torch.float64
    )
    if set(bent) <= {"k1"}:
        return Lens(intrinsics, bent.get("k1", 0.0))
    rays = _rays_over(size, intrinsics)
    distorted = _opencv_distorted(rays, bent) * rays.new_tensor(focal) + rays.new_tensor(center)
    return _fit_one_coefficient(rays, distorted, intrinsics, bent.get("k1", 0.0))


def _rays_over(size: tuple[int, int], intrinsics: Tensor) -> Float[Tensor, "n 2"]:
    """Ideal rays of a grid of pixels, which after the distortion cover about the photo."""
    x, y = (torch.linspace(0, side, _GRID, dtype=torch.float64) for side in size)
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
    return (pixels - intrinsics[:2, 2]) / intrinsics.diagonal()[:2]


def _opencv_distorted(rays: Float[Tensor, "n 2"], k: Mapping[str, float]) -> Float[Tensor, "n 2"]:
    """OpenCV's rational and tangential distortion (documentation of ``calib3d``)."""
    u, v = rays.unbind(-1)
    r2 = u * u + v * v

    def polynomial(names: tuple[str, str, str]) -> Tensor:
        a, b, c = (k.get(name, 0.0) for name in names)
        return 1 + r2 * (a + r2 * (b + r2 * c))

    radial = polynomial(("k1", "k2", "k3")) / polynomial(("k4", "k5", "k6"))
    p1, p2 = k.get("p1", 0.0), k.get("p2", 0.0)
    return torch.stack(
        [
            u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u),
            v * radial + 2 * p2 * u * v + p1 * (r2 + 2 * v * v),
        ],
        -1,
    )


def _fit_one_coefficient(
    rays: Float[Tensor, "n 2"],
    pixels: Float[Tensor, "n 2"],
    intrinsics: Float[Tensor, "3 3"],
    k1: float,
) -> Lens:
    """Gauss and Newton's method for fx, fy, cx, cy and k1."""
    (u, v), r2 = rays.unbind(-1), rays.square().sum(-1)
    none, one = torch.zeros_like(u), torch.ones_like(u)
    values = torch.stack([*intrinsics.diagonal()[:2], *intrinsics[:2, 2], u.new_tensor(k1)])
    residual = pixels
    for _ in range(_ITERATIONS):
        fx, fy, cx, cy, bend = values
        ratio = 1 + bend * r2
        residual = pixels - torch.stack([fx * u * ratio + cx, fy * v * ratio + cy], -1)
        rows_x = torch.stack([u * ratio, none, one, none, fx * u * r2], -1)
        rows_y = torch.stack([none, v * ratio, none, one, fy * v * r2], -1)
        jacobian = torch.cat([rows_x, rows_y])
        if not jacobian.isfinite().all() or not residual.isfinite().all():
            break  # the lens is refused for its residual, which is not finite
        step = torch.linalg.lstsq(jacobian, residual.T.reshape(-1, 1)).solution[:, 0]
        values = values + step
    fx, fy, cx, cy, bend = values
    fitted = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)
    error = residual.norm(dim=-1).max()
    return Lens(fitted, float(bend), float(error) if residual.isfinite().all() else math.inf)
