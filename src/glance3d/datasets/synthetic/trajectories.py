"""Cameras for a scene: orbits, walks and panoramas, with a given overlap between views.

For each scene several candidate trajectories are drawn, each with a smaller movement than the one
before. A few probe rays of each camera then measure the views' overlap, the distance of the nearest
surface and whether a camera is inside an object; the candidate nearest to the target overlap is
kept.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.layouts import Layout
from glance3d.datasets.synthetic.raycast import NUM_PRIMITIVES, ROOM
from glance3d.datasets.synthetic.scenes import FLOOR_FACE, Scenes
from glance3d.datasets.synthetic.visibility import cast, seen_by
from glance3d.geometry.cameras import camera_centers

NUM_CANDIDATES = 8
#: Each candidate moves this much less than the one before it.
_SHRINK = 0.62
_PROBES = 8


def look_at(
    center: Float[Tensor, "*batch 3"],
    forward: Float[Tensor, "*batch 3"],
    roll: Float[Tensor, "*batch"],
) -> Float[Tensor, "*batch 3 4"]:
    """``cam_from_world`` of a camera at ``center`` that looks along ``forward``.

    Convention: world z is up; ``roll`` rotates the camera about its optical axis, in radians.
    """
    z = forward / forward.norm(dim=-1, keepdim=True)
    up = torch.eye(3, device=z.device)[2].expand_as(z)
    x = torch.linalg.cross(z, up)
    x = x / x.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    y = torch.linalg.cross(z, x)
    cosine, sine = roll.cos()[..., None], roll.sin()[..., None]
    rotation = torch.stack([cosine * x + sine * y, cosine * y - sine * x, z], -2)
    return torch.cat([rotation, -(rotation @ center[..., None])], -1)


def draw_intrinsics(
    draws: Draws, num_views: int, height: int, width: int, fov_degrees: tuple[float, float]
) -> Float[Tensor, "scenes views 3 3"]:
    """One camera a scene, zoomed from view to view in one scene of ten; centred, square pixels.

    ``fov_degrees`` bounds the field of view of the image's longer side.
    """
    low, high = (torch.pi / 180 * degrees for degrees in fov_degrees)
    one, many = draws.uniform(low, high, 1), draws.uniform(low, high, num_views)
    near_one = one + 0.3 * (many - one)
    fov = torch.where(draws.chance(0.1, 1), near_one, one.expand_as(many))
    focal = max(height, width) / 2 / torch.tan(fov / 2)
    zero, one = torch.zeros_like(focal), torch.ones_like(focal)
    entries = [focal, zero, one * width / 2, zero, focal, one * height / 2, zero, zero, one]
    return torch.stack(entries, -1).unflatten(-1, (3, 3))


def _spherical(azimuth: Tensor, elevation: Tensor) -> Tensor:
    flat = elevation.cos()
    return torch.stack([azimuth.cos() * flat, azimuth.sin() * flat, elevation.sin()], -1)


def _candidates(draws: Draws, layout: Layout, half_angle: Tensor, num_views: int) -> Tensor:
    """Candidate cameras [scenes, candidates, views, 3, 4], the largest movements first."""
    k, v = NUM_CANDIDATES, num_views
    steps = _SHRINK ** torch.arange(k, device=half_angle.device)
    size = draws.uniform(0.9, 1.7, 1) * steps
    size = size[..., None]
    # Views in order along the path, or in any order.
    place = 2 * (torch.arange(v, device=size.device) + 0.5 * draws.unit(v)) / v - 1
    mixed = 2 * draws.unit(v) - 1
    along = torch.where(draws.chance(0.5, 1), place, mixed)[:, None] * torch.where(
        draws.chance(0.5, 1, 1), -1.0, 1.0
    )

    extent = layout.extent[:, None, None]
    span = half_angle.tan().clamp(0.2, 1.0)[:, None, None]
    distance = extent * draws.log_uniform(0.7, 1.6, k, 1) / span
    middle, spread = layout.azimuth[:, 0, None, None], layout.azimuth[:, 1, None, None]
    azimuth = middle + spread * draws.uniform(-1.0, 1.0, k, 1)
    elevation = 0.02 + 0.75 * draws.unit(k, 1) ** 1.7
    wobble = size[..., None] * 0.1 * draws.normal(k, v, 3)

    orbit = draws.chance(0.5, 1, 1)
    swing = torch.where(orbit, 1.1 * size * along, 0.0)
    reach = distance * torch.exp(
        torch.where(orbit, 0.25 * size * draws.uniform(-1.0, 1.0, k, v), 0.0)
    )
    rise = torch.where(orbit, 0.25 * size * draws.uniform(-1.0, 1.0, k, v), 0.0)
    focus = layout.focus[:, None, None]
    eye = focus + reach[..., None] * _spherical(
        azimuth + swing, (elevation + rise).clamp(-0.1, 1.35)
    )

    # A walk moves in one direction; a panorama rotates and hardly moves.
    walk = draws.chance(0.5, 1, 1)
    heading = azimuth + draws.uniform(-torch.pi, torch.pi, 1, 1)
    stride = torch.where(orbit, 0.0, torch.where(walk, 0.7, 0.15)) * size * along * distance
    eye = eye + stride[..., None] * _spherical(
        heading, 0.15 * draws.normal(1, 1).expand_as(heading)
    )
    eye = eye + wobble * torch.minimum(distance, 2 * extent)[..., None]
    eye = _keep_inside(eye, layout)

    from_eye = torch.where(orbit[..., None], focus - eye, (focus - eye)[:, :, :1])
    jitter = (
        half_angle[:, None, None, None] * (0.15 + 0.2 * size[..., None]) * draws.normal(k, v, 2)
    )
    turn = (
        torch.where(orbit, 0.0, torch.where(walk, 0.25, 0.9))
        * size
        * along
        * half_angle[:, None, None]
        * 2
    )
    flat = from_eye[..., :2].norm(dim=-1)
    pitch = torch.atan2(from_eye[..., 2], flat) + 0.7 * jitter[..., 1]
    yaw = torch.atan2(from_eye[..., 1], from_eye[..., 0]) + turn + jitter[..., 0]
    roll_spread = torch.where(draws.chance(0.12, 1, 1), 0.35, 0.05)
    roll = roll_spread * (0.6 * draws.normal(1, 1) + 0.6 * draws.normal(k, v))
    return look_at(eye, _spherical(yaw, pitch.clamp(-1.4, 1.4)), roll)


def _keep_inside(eye: Tensor, layout: Layout) -> Tensor:
    """Camera centres moved into the room and off the floor."""
    half = layout.room_half[:, None, None]
    flat = torch.maximum(torch.minimum(eye[..., :2], 0.9 * half[..., :2]), -0.9 * half[..., :2])
    low = torch.minimum(0.25 * layout.extent[:, None, None], 0.4 * half[..., 2])
    high = torch.maximum(torch.minimum(eye[..., 2], 1.85 * half[..., 2]), low)
    return torch.cat([flat, high[..., None]], -1)


def _probe_pixels(height: int, width: int, device: torch.device) -> Float[Tensor, "probes 2"]:
    axis = (torch.arange(_PROBES, device=device) + 0.5) / _PROBES
    y, x = torch.meshgrid(axis * height, axis * width, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def _measure(
    scenes: Scenes, cameras: Tensor, intrinsics: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Overlap of each later view with its best partner, nearest depth, most sky, depth spread.

    The overlap is the share of a view's surface points visible in the first or the previous view.
    """
    b, k, v = cameras.shape[:3]
    shapes = scenes.local_from_world[:, None, None].expand(-1, k, v, -1, -1, -1)
    lens = intrinsics[:, None].expand(-1, k, -1, -1, -1)
    pixels = _probe_pixels(*size, cameras.device).expand(b * k * v, -1, -1)
    points, depth, index = cast(
        shapes.flatten(0, 2), cameras.flatten(0, 2), lens.flatten(0, 2), pixels
    )
    # All faces are sky or none, except the floor, which may be solid.
    on_floor = points[..., 2] < 1e-2 + 1e-4 * depth
    sky = scenes.sky_faces.repeat_interleave(k * v, 0)
    is_sky = torch.where(on_floor, sky[:, FLOOR_FACE, None], sky[:, :1]) > 0.5
    solid = (index != ROOM) | ~is_sky
    points, solid = points.unflatten(0, (b, k, v)), solid.unflatten(0, (b, k, v))
    overlaps = []
    for partner in (cameras[:, :, :1].expand(-1, -1, v - 1, -1, -1), cameras[:, :, :-1]):
        partner_lens = (
            lens[:, :, :1].expand(-1, -1, v - 1, -1, -1) if not overlaps else lens[:, :, :-1]
        )
        _, seen = seen_by(
            shapes[:, :, 1:].flatten(0, 2),
            partner.flatten(0, 2),
            partner_lens.flatten(0, 2),
            size,
            points[:, :, 1:].flatten(0, 2),
        )
        seen = seen.unflatten(0, (b, k, v - 1)) & solid[:, :, 1:]
        overlaps.append(seen.sum(-1) / solid[:, :, 1:].sum(-1).clamp(min=1))
    depth = depth.unflatten(0, (b, k, v))
    return (
        torch.maximum(*overlaps),
        depth.amin((-1, -2)),
        1 - solid.float().mean(-1).amin(-1),
        depth.clamp(max=1e3).log().std((-1, -2)),
    )


def _inside_something(scenes: Scenes, cameras: Tensor) -> Tensor:
    """Whether any camera of a candidate is inside a primitive (slightly enlarged)."""
    centers = camera_centers(cameras)
    maps = scenes.local_from_world[:, None, None, :NUM_PRIMITIVES]
    local = (maps[..., :3] @ centers[:, :, :, None, :, None])[..., 0] + maps[..., 3]
    return (local.abs().amax(-1) < 1.05).any(-1).any(-1)


def draw_cameras(
    draws: Draws,
    scenes: Scenes,
    layout: Layout,
    intrinsics: Float[Tensor, "scenes views 3 3"],
    size: tuple[int, int],
) -> Float[Tensor, "scenes views 3 4"]:
    """``cam_from_world`` of every view; ``size`` is (height, width)."""
    height, width = size
    half_angle = torch.atan(max(height, width) / 2 / intrinsics[:, 0, 0, 0])
    cameras = _candidates(draws, layout, half_angle, intrinsics.shape[1])
    overlap, nearest, sky, spread = _measure(scenes, cameras, intrinsics, size)
    wanted = draws.uniform(0.05, 0.7, 1)
    cost = (overlap.mean(-1) - wanted).abs()
    cost = cost + 4 * (0.13 - overlap.amin(-1)).clamp(min=0)
    cost = cost + 3 * _inside_something(scenes, cameras)
    cost = cost + 2 * (0.12 - nearest / layout.extent[:, None]).clamp(min=0) / 0.12
    cost = cost + 2 * (sky - 0.7).clamp(min=0) + (0.15 - spread).clamp(min=0) / 0.15
    best = cost.argmin(1)
    return cameras.gather(1, best[:, None, None, None, None].expand(-1, 1, *cameras.shape[2:]))[
        :, 0
    ]
