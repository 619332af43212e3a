"""Cameras from rays: what a network says of every pixel's ray, turned into poses and intrinsics.

A pinhole of any rotation maps the image plane to ray directions by a homography ``A = R K^-1``. It
is found by RANSAC over minimal samples and refitted on all inliers, by the direct linear transform
(DLT) both times, and taken apart into a rotation and a triangle. The centre is where the rays
begin. Sources: Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647), section 3.1 and its published
settings; Hartley and Zisserman, "Multiple View Geometry", 2004, sections 4.1 and 4.7.

Everything is batched and nothing waits for a GPU. Sums of products are float64.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.geometry.cameras import intrinsics_from_tangents
from glance3d.geometry.sync_free_linalg import least_eigenvector
from glance3d.geometry.transforms import invert
from glance3d.nn.tables import cached_table, constant

NUM_SAMPLES = 100
SAMPLE_SIZE = 8
CANDIDATE_SHARE = 0.3  # the most confident ones, from which samples are drawn
INLIER_DISTANCE = 0.2  # on the plane z = 1 of the world
LEAST_Z = 1e-4  # a direction with less meets that plane nowhere
# Half a degree to 179.9 degrees: what no pinhole sees is not a camera.
TANGENTS = (5e-3, 1e3)
_PLAIN_TANGENT = math.tan(0.5)  # one radian of view, where rays say no camera
_LEAST_SPREAD = 1e-9  # determinant of the inliers' covariance: below, they lie on a line
_SQUARINGS = 12
_VIEWS_AT_ONCE = 8
_ELEMENTS_AT_ONCE = {"cpu": 2**19}  # what stays in a core's cache
_ELEMENTS_ON_GPU = 2**25


class RayCameras(NamedTuple):
    """Cameras of rays; ``is_degenerate`` where rays say no camera, and a plain one stands instead.

    Intrinsics are in pixels of the image.
    """

    cam_from_world: Float[Tensor, "batch views 3 4"]
    intrinsics: Float[Tensor, "batch views 3 3"]
    is_degenerate: Bool[Tensor, "batch views"]


class _RayTargets(NamedTuple):
    """Of each ray: where it meets the plane z = 1 of the world, and how far it is to be believed.

    Both are 0 where it does not meet that plane, or is not finite.
    """

    xy: Float[Tensor, "views rays 2"]
    confidence: Float[Tensor, "views rays"]


def cameras_from_rays(
    ray: Float[Tensor, "batch views rows columns 6"],
    ray_conf: Float[Tensor, "batch views rows columns"],
    image_size: tuple[int, int],
    samples: Int[Tensor, "samples 8"] | None = None,
) -> RayCameras:
    """The camera of every view, from its rays alone.

    Where they say none (fewer than eight that count, all on one line, one direction, no finite
    numbers) the answer is a plain camera: no rotation, one radian of view each way, and the mean of
    the origins that count, or zero. Without gradients.

    Args:
        ray: Directions ``R K^-1 (u, v, 1)`` of any length and origins, both in the world's frame.
        ray_conf: How certain each is, above 0.
        image_size: (height, width) of the image that the rays cover, in pixels.
        samples: Positions in each view's order of confidence, the most confident ray first; by
            default :func:`draw_samples`, the same on every call.
    """
    rows, columns = ray.shape[2:4]
    samples = _usual_samples(rows * columns, ray.device) if samples is None else samples
    samples = samples.to(ray.device)
    plane = plane_points(rows, columns, ray.device)
    with torch.no_grad():
        rays = ray.flatten(0, 1).flatten(1, 2).float().split(_VIEWS_AT_ONCE)
        confidences = ray_conf.flatten(0, 1).flatten(1).float().split(_VIEWS_AT_ONCE)
        parts = [
            _cameras_of_views(plane, *part, image_size, samples)
            for part in zip(rays, confidences, strict=True)
        ]
        of_views = (torch.cat(values) for values in zip(*parts, strict=True))
        return RayCameras(*(values.unflatten(0, ray.shape[:2]) for values in of_views))


def draw_samples(
    num_rays: int, generator: torch.Generator | None = None
) -> Int[Tensor, "samples 8"]:
    """Which of the most confident rays make up each minimal sample: eight different ones.

    Drawn on the CPU, by default from seed 0, so that every device takes the same ones.
    """
    candidates = min(num_rays, max(SAMPLE_SIZE, int(num_rays * CANDIDATE_SHARE)))
    generator = generator or torch.Generator().manual_seed(0)
    return torch.rand(NUM_SAMPLES, candidates, generator=generator).topk(SAMPLE_SIZE).indices


@cached_table
def _usual_samples(num_rays: int, device: torch.device) -> Int[Tensor, "samples 8"]:
    return draw_samples(num_rays).to(device)


@cached_table
def plane_points(rows: int, columns: int, device: torch.device) -> Float[Tensor, "rays 3"]:
    """(x, y, 1) of each ray's pixel, for a camera of focal length 1 on an image of 2 x 2."""
    y = (2 * torch.arange(rows, dtype=torch.float64, device=device) + 1) / rows - 1
    x = (2 * torch.arange(columns, dtype=torch.float64, device=device) + 1) / columns - 1
    xy = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
    return torch.cat([xy, torch.ones_like(xy[:, :1])], -1)


def _cameras_of_views(
    plane: Float[Tensor, "rays 3"],
    ray: Float[Tensor, "views rays 6"],
    confidence: Float[Tensor, "views rays"],
    image_size: tuple[int, int],
    samples: Int[Tensor, "samples 8"],
) -> RayCameras:
    """Without the batch: of a few views at once."""
    targets, origins = _targets_of_rays(ray, confidence)
    best = _best_of_samples(plane, targets, samples)
    weights = torch.where(_is_inlier(plane.float(), targets.xy, best), targets.confidence, 0.0)
    homography = _fit_homography(plane, targets.xy, weights)
    rotation, triangle = ql_decomposition(homography)
    triangle = triangle / triangle[:, 2:, 2:]
    total = targets.confidence.double().sum(-1, keepdim=True)
    centre = (targets.confidence[..., None].double() * origins).sum(1) / total.clamp(min=1e-12)
    degenerate = ~(_tells_a_camera(plane, weights, triangle) & rotation.isfinite().all(-1).all(-1))
    identity = torch.eye(3, dtype=rotation.dtype, device=rotation.device)
    plain = torch.diag_embed(constant((_PLAIN_TANGENT, _PLAIN_TANGENT, 1.0), rotation.device))
    rotation = torch.where(degenerate[:, None, None], identity, rotation)
    triangle = torch.where(degenerate[:, None, None], plain.double(), triangle)
    world_from_cam = torch.cat([rotation, centre[..., None]], -1)
    intrinsics = _intrinsics_from_triangle(triangle, image_size)
    return RayCameras(invert(world_from_cam).float(), intrinsics.float(), degenerate)


def _targets_of_rays(
    ray: Float[Tensor, "views rays 6"], confidence: Float[Tensor, "views rays"]
) -> tuple[_RayTargets, Float[Tensor, "views rays 3"]]:
    """And the rays' origins, 0 where the ray does not count."""
    xy, z, origins = ray.split([2, 1, 3], dim=-1)
    # Either sign of z: a ray and the one against it meet the plane at one point.
    xy = xy / torch.where(z.abs() > LEAST_Z, z, torch.nan)
    counts = torch.cat([xy, origins], -1).isfinite().all(-1)
    counts = counts & confidence.isfinite() & (confidence > 0)
    xy, origins = (torch.where(counts[..., None], values, 0.0) for values in (xy, origins))
    return _RayTargets(xy, torch.where(counts, confidence, 0.0)), origins


def _best_of_samples(
    plane: Float[Tensor, "rays 3"],
    targets: _RayTargets,
    samples: Int[Tensor, "samples 8"],
) -> Float[Tensor, "views 3 3"]:
    """The homography of the sample whose inliers are believed most; the first one if equal."""
    order = targets.confidence.sort(dim=-1, descending=True, stable=True).indices
    chosen = order[:, samples.flatten()]  # positions in the order of confidence to rays
    shape = (len(order), *samples.shape)
    xy = targets.xy.gather(1, chosen[..., None].expand(-1, -1, 2)).view(*shape, 2)
    weights = targets.confidence.gather(1, chosen).view(shape)
    homographies = _fit_homography(plane[chosen].view(*shape, 3), xy, weights)
    best = _score(plane.float(), targets, homographies).argmax(-1)
    return homographies[torch.arange(len(best), device=best.device), best]


def _score(
    plane: Float[Tensor, "rays 3"],
    targets: _RayTargets,
    homographies: Float[Tensor, "views samples 3 3"],
) -> Float[Tensor, "views samples"]:
    """The sum of the inliers' confidences, for every sample, over some rays at a time."""
    num_views, num_samples = homographies.shape[:2]
    elements = _ELEMENTS_AT_ONCE.get(plane.device.type, _ELEMENTS_ON_GPU)
    rays_at_once = max(1, elements // (num_views * num_samples))
    score = homographies.new_zeros(num_views, num_samples)
    for start in range(0, len(plane), rays_at_once):
        some = slice(start, start + rays_at_once)
        inliers = _is_inlier(plane[some], targets.xy[:, None, some], homographies)
        score += (inliers.float() @ targets.confidence[:, some, None])[..., 0]
    return score


def _is_inlier(
    plane: Float[Tensor, "rays 3"],
    xy: Float[Tensor, "*#batch rays 2"],
    homographies: Float[Tensor, "*batch 3 3"],
) -> Bool[Tensor, "*batch rays"]:
    """Which rays meet the plane z = 1 near to where the homography says; False for no number."""
    unit = homographies / homographies.flatten(-2).norm(dim=-1)[..., None, None]
    p, q, z = (unit.float() @ plane.T).unbind(-2)
    # |(p, q) / z - target| < distance, times |z|, which may be 0.
    off_x = torch.addcmul(p, xy[..., 0], z, value=-1)
    off_y = torch.addcmul(q, xy[..., 1], z, value=-1)
    excess = off_x.square_().addcmul_(off_y, off_y).addcmul_(z, z, value=-(INLIER_DISTANCE**2))
    return excess < 0


def _fit_homography(
    plane: Float[Tensor, "*#batch rays 3"],
    xy: Float[Tensor, "*batch rays 2"],
    weights: Float[Tensor, "*batch rays"],
) -> Float[Tensor, "*batch 3 3"]:
    """The homography from plane points to targets by weighted DLT, of norm 1 and det A >= 0.

    Each ray gives two rows, sqrt(w) (-m, 0, u m) and sqrt(w) (0, -m, v m) with m = (x, y, 1). Their
    9 x 9 normal matrix is made of the moments sum(w m m^T), also times u, v and u^2 + v^2.
    """
    w, u, v = weights.double(), xy[..., 0].double(), xy[..., 1].double()
    factors = torch.stack([w, w * u, w * v, w * (u * u + v * v)], -2)
    of_w, of_u, of_v, of_both = _moments(plane, factors).unbind(-3)
    zero = torch.zeros_like(of_w)
    normal = torch.cat(
        [
            torch.cat([of_w, zero, -of_u], -1),
            torch.cat([zero, of_w, -of_v], -1),
            torch.cat([-of_u, -of_v, of_both], -1),
        ],
        -2,
    )
    vector, _ = least_eigenvector(normal, squarings=_SQUARINGS)
    homography = vector.unflatten(-1, (3, 3))
    return torch.where(_determinant(homography)[..., None, None] < 0, -homography, homography)


def _moments(
    plane: Float[Tensor, "*#batch rays 3"], factors: Float[Tensor, "*batch n rays"]
) -> Float[Tensor, "*batch n 3 3"]:
    """The sums of factor times m m^T over all rays."""
    products = (plane[..., :, None] * plane[..., None, :]).flatten(-2)
    return (factors @ products).unflatten(-1, (3, 3))


def _determinant(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    first, second, third = matrix.unbind(-1)
    return (torch.linalg.cross(first, second) * third).sum(-1)


def ql_decomposition(
    matrix: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3 3"]]:
    """``Q`` and ``L`` with ``Q L`` the matrix: a rotation and a lower triangle, diagonal above 0.

    For a positive determinant. Gram and Schmidt's way, from the last column to the first: only
    ``Q``'s last column takes part in the matrix's last.
    """
    _, middle, last = matrix.unbind(-1)
    q_last = F.normalize(last, dim=-1, eps=1e-300)
    along = (q_last * middle).sum(-1, keepdim=True)
    q_middle = F.normalize(middle - along * q_last, dim=-1, eps=1e-300)
    q = torch.stack([torch.linalg.cross(q_middle, q_last), q_middle, q_last], -1)
    return q, (q.mT @ matrix).tril()


def _tells_a_camera(
    plane: Float[Tensor, "rays 3"],
    weights: Float[Tensor, "views rays"],
    triangle: Float[Tensor, "views 3 3"],
) -> Bool[Tensor, " views"]:
    """Whether the inliers cover an area, are eight or more, and give tangents that a photo has."""
    share = weights.double() / weights.double().sum(-1, keepdim=True).clamp(min=1e-12)
    # m ends with a 1, so that the determinant is the one of the covariance of (x, y).
    spread = _determinant(_moments(plane, share[:, None])[:, 0])
    tangents = triangle.diagonal(dim1=-2, dim2=-1)[..., :2]
    is_sensible = ((tangents > TANGENTS[0]) & (tangents < TANGENTS[1])).all(-1)
    return ((weights > 0).sum(-1) >= SAMPLE_SIZE) & (spread > _LEAST_SPREAD) & is_sensible


def _intrinsics_from_triangle(
    triangle: Float[Tensor, "views 3 3"], image_size: tuple[int, int]
) -> Float[Tensor, "views 3 3"]:
    """Pixels of the image; the offset of the principal point is in halves of its sides."""
    height, width = image_size
    tangent_x, tangent_y = triangle[:, 0, 0], triangle[:, 1, 1]
    intrinsics = intrinsics_from_tangents(tangent_y, tangent_x, height, width)
    intrinsics[:, :2, 2] *= 1 + triangle[:, 2, :2]
    return intrinsics
