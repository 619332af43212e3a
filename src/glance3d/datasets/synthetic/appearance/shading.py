"""Shading of a ray's hit: surface frame, mip-mapped texture, Lambert light, one shadow ray."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.datasets.synthetic.appearance.textures import TextureAtlas
from glance3d.datasets.synthetic.raycast import (
    NUM_BOXES,
    NUM_ELLIPSOIDS,
    ROOM,
    Components,
    closest_primitive,
    rotate,
    trace,
)

#: Distance of a sky texture: it only sets how large clouds look.
_SKY_DISTANCE = 10.0


class Tiles(NamedTuple):
    """Groups of rays of one camera, with everything of the scene that they can hit.

    ``materials`` columns: texture number, uv matrix (cosine, sine) in repeats a metre, uv offset
    (2), colour matrix (3 x 4, row by row) that maps the texture's RGB less 0.5 to a surface colour.
    """

    world_from_cam: Float[Tensor, "tiles 3 3"]
    center: Float[Tensor, "tiles 3"]
    pixel_angle: Float[Tensor, " tiles"]
    local_center: Float[Tensor, "tiles shapes 3"]
    local_light: Float[Tensor, "tiles shapes 3"]
    local_from_world: Float[Tensor, "tiles shapes 3 3"]
    half_size: Float[Tensor, "tiles shapes 3"]
    materials: Float[Tensor, "tiles materials 17"]
    sky_faces: Float[Tensor, "tiles 6"]
    light: Float[Tensor, "tiles 3"]
    light_color: Float[Tensor, "tiles 3"]
    ambient: Float[Tensor, "tiles 3"]


def _pick(table: Float[Tensor, "tiles rows"], index: Int[Tensor, "tiles rays"]) -> Tensor:
    return table.gather(1, index)


def _pick3(table: Float[Tensor, "tiles rows 3"], index: Int[Tensor, "tiles rays"]) -> Components:
    return _pick(table[..., 0], index), _pick(table[..., 1], index), _pick(table[..., 2], index)


def _dot(a: Components, b: Components) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _unit(a: Components) -> Components:
    inverse = torch.rsqrt(_dot(a, a) + 1e-20)
    return a[0] * inverse, a[1] * inverse, a[2] * inverse


def _where(condition: Tensor, a: Components, b: Components) -> Components:
    return (
        torch.where(condition, a[0], b[0]),
        torch.where(condition, a[1], b[1]),
        torch.where(condition, a[2], b[2]),
    )


def _local_normal(q: Components, index: Tensor) -> Components:
    """Outward normal in the unit shape's frame, not normalised (inward for the room)."""
    x, y, z = q
    ax, ay, az = x.abs(), y.abs(), z.abs()
    on_x = (ax >= ay) & (ax >= az)
    on_y = ~on_x & (ay >= az)
    box = (torch.where(on_x, x, 0.0), torch.where(on_y, y, 0.0), torch.where(on_x | on_y, 0.0, z))
    on_cap = az * az > x * x + y * y
    cylinder = (
        torch.where(on_cap, 0.0, x),
        torch.where(on_cap, 0.0, y),
        torch.where(on_cap, z, 0.0),
    )
    is_box = (index < NUM_BOXES) | (index == ROOM)
    is_ball = index < NUM_BOXES + NUM_ELLIPSOIDS
    sign = torch.where(index == ROOM, -1.0, 1.0)
    picked = [
        sign * torch.where(is_box, b, torch.where(is_ball, e, c))
        for b, e, c in zip(box, q, cylinder, strict=True)
    ]
    return picked[0], picked[1], picked[2]


def _surface_uv(position: Components, normal: Components) -> tuple[Tensor, Tensor, Tensor]:
    """Metric texture coordinates on the axis plane that faces the normal, and that face's number.

    Oriented so that, seen from the side the normal points to, u runs right and v down: marks are
    never mirrored. Faces: -x, +x, -y, +y, -z, +z of the outward side.
    """
    (px, py, pz), (nx, ny, nz) = position, normal
    ax, ay, az = nx.abs(), ny.abs(), nz.abs()
    on_x = (ax >= ay) & (ax >= az)
    on_y = ~on_x & (ay >= az)
    facing = torch.where(on_x, nx, torch.where(on_y, ny, nz))
    sign = torch.where(facing < 0, -1.0, 1.0)
    u = sign * torch.where(on_x, py, torch.where(on_y, -px, px))
    v = torch.where(on_x | on_y, -pz, -py)
    axis = torch.where(on_x, 0, torch.where(on_y, 2, 4))
    return u, v, axis + (facing > 0)


def _texture_rgb(
    atlas: TextureAtlas, texture: Tensor, u: Tensor, v: Tensor, texels: Tensor
) -> Components:
    """Bilinear look-up at repeats ``u, v`` in the mip level nearest to the pixel's footprint.

    ``texels`` is the footprint on the finest level. Blending two levels would double the memory
    traffic, which is most of the cost, for a difference that a training picture does not show.
    """
    last = float(atlas.num_levels - 1)
    level = (torch.log2(texels.clamp(min=1.0)) + 0.4).floor().clamp(max=last).long()
    size = atlas.level_sizes[level]
    offset = texture.long() * atlas.texels_per_texture + atlas.level_offsets[level]
    x, y = (u - u.floor()) * size - 0.5, (v - v.floor()) * size - 0.5
    x0, y0 = x.floor(), y.floor()
    fx, fy = x - x0, y - y0
    mask = size - 1
    column0, row0 = x0.long() & mask, y0.long() & mask
    right, below = (column0 + 1) & mask, (row0 + 1) & mask
    rgb = [torch.zeros_like(u) for _ in range(3)]
    for row, column, weight in (
        (row0, column0, (1 - fx) * (1 - fy)),
        (row0, right, fx * (1 - fy)),
        (below, column0, (1 - fx) * fy),
        (below, right, fx * fy),
    ):
        packed = atlas.packed[offset + row * size + column]
        for channel in range(3):
            rgb[channel] = rgb[channel] + weight * ((packed >> (8 * channel)) & 255)
    return rgb[0] / 255, rgb[1] / 255, rgb[2] / 255


def _surface_color(
    tiles: Tiles, atlas: TextureAtlas, material: Tensor, u: Tensor, v: Tensor, footprint: Tensor
) -> Components:
    """Linear surface colour: texture, then the material's colour matrix."""

    def column(number: int) -> Tensor:
        return _pick(tiles.materials[..., number], material)

    cosine, sine = column(1), column(2)
    repeats_u = cosine * u - sine * v + column(3)
    repeats_v = sine * u + cosine * v + column(4)
    texels = footprint * torch.sqrt(cosine * cosine + sine * sine) * atlas.size
    texel = [c - 0.5 for c in _texture_rgb(atlas, column(0), repeats_u, repeats_v, texels)]
    color = []
    for row in range(3):
        first = 5 + 4 * row
        mixed = column(first + 3)
        for channel in range(3):
            mixed = mixed + column(first + channel) * texel[channel]
        mixed = mixed.clamp(0.03, 0.97)
        color.append(mixed * mixed)
    return color[0], color[1], color[2]


def _lit_share(tiles: Tiles, position: Components, normal: Components, t: Tensor) -> Tensor:
    """Cosine of the light's incidence, 0 in shadow.

    The shadow ray starts at the light, so that all of a tile's shadow rays share their origin.
    """
    light = [tiles.light[:, k, None] for k in range(3)]
    lift = 1e-3 * t + 2e-3
    to_point = [p + n * lift - o for p, n, o in zip(position, normal, light, strict=True)]
    from_light = (to_point[0], to_point[1], to_point[2])
    cosine = -_dot(normal, _unit(from_light))
    shadow, _ = closest_primitive(
        tiles.local_light[:, :ROOM], tiles.local_from_world[:, :ROOM], from_light, 0.0
    )
    return torch.where(shadow < 0.9999, 0.0, cosine.clamp(min=0.0))


def _surface_frame(
    tiles: Tiles, direction: Components, t: Tensor, index: Tensor
) -> tuple[Components, Components, Components]:
    """Where a ray hits a shape, in metres along the shape's axes, and its normal, twice.

    First along the shape's axes, not normalised; then in the world, with length 1.
    """
    maps = [_pick3(tiles.local_from_world[:, :, row], index) for row in range(3)]
    x, y, z = (
        _dot(maps[row], direction) * t + _pick(tiles.local_center[..., row], index)
        for row in range(3)
    )
    nx, ny, nz = _local_normal((x, y, z), index)
    world = [maps[0][k] * nx + maps[1][k] * ny + maps[2][k] * nz for k in range(3)]
    hx, hy, hz = _pick3(tiles.half_size, index)
    normal = _unit((world[0], world[1], world[2]))
    return (x * hx, y * hy, z * hz), (nx / hx, ny / hy, nz / hz), normal


def render_tiles(
    tiles: Tiles,
    x: Float[Tensor, "tiles rays"],
    y: Float[Tensor, "tiles rays"],
    atlas: TextureAtlas,
) -> tuple[Float[Tensor, "tiles 3 rays"], Float[Tensor, "tiles rays"], Bool[Tensor, "tiles rays"]]:
    """Linear RGB, z-depth (0 on sky) and whether a surface was hit.

    ``x, y`` are the rays' directions in the camera, (pixel - principal point) / focal length; with
    camera z of 1 the ray's parameter is the z-depth.
    """
    direction = rotate(tiles.world_from_cam[:, None], (x, y, torch.ones_like(x)))
    dx, dy, dz = direction
    t, index = trace(tiles.local_center, tiles.local_from_world, direction)
    metric, facing, normal = _surface_frame(tiles, direction, t, index)

    # A wall's inward normal points away from its face: face -x of the room has normal +x.
    face = _surface_uv(metric, facing)[2] ^ 1
    material = torch.where(index == ROOM, ROOM + face, index)
    sky = (index == ROOM) & (_pick(tiles.sky_faces, face) > 0.5)
    # The sky is a texture on a cube that moves with the camera.
    hang = _SKY_DISTANCE / torch.maximum(torch.maximum(dx.abs(), dy.abs()), dz.abs())
    u, v, _ = _surface_uv(
        _where(sky, (dx * hang, dy * hang, dz * hang), metric), _where(sky, (-dx, -dy, -dz), facing)
    )
    # Between the footprint's short side and its long one, which grows with slanted incidence.
    cosine = _dot(normal, _unit(direction)).abs().clamp(min=0.08)
    distance = torch.where(sky, _SKY_DISTANCE, t * torch.rsqrt(cosine))
    color = _surface_color(tiles, atlas, material, u, v, tiles.pixel_angle[:, None] * distance)

    px, py, pz = (tiles.center[:, k, None] + t * direction[k] for k in range(3))
    lit = _lit_share(tiles, (px, py, pz), normal, t)
    rgb = []
    for k in range(3):
        ambient, lamp = tiles.ambient[:, k, None], tiles.light_color[:, k, None]
        light = ambient * (0.75 + 0.25 * normal[2]) + lamp * lit
        rgb.append(color[k] * torch.where(sky, ambient + 0.5 * lamp, light))
    return torch.stack(rgb, 1), torch.where(sky, 0.0, t), ~sky
