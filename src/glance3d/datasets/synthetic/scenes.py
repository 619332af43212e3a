"""A batch of scenes as tensors: shapes, materials and light."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.layouts import Layout, draw_layout
from glance3d.datasets.synthetic.raycast import NUM_MATERIALS, NUM_PRIMITIVES
from glance3d.datasets.synthetic.textures import NUM_SKIES

#: Uniform numbers one scene may use; raise it when a layout needs more.
DRAWS_PER_SCENE = 6000


_FLOOR = NUM_PRIMITIVES + 4


class Scenes(NamedTuple):
    """What rays can meet, one row a scene; the last shape is the room around all (see ``Tiles``)."""

    local_from_world: Float[Tensor, "scenes shapes 3 4"]
    half_size: Float[Tensor, "scenes shapes 3"]
    materials: Float[Tensor, "scenes materials 17"]
    sky_faces: Float[Tensor, "scenes 6"]
    light: Float[Tensor, "scenes 3"]
    light_color: Float[Tensor, "scenes 3"]
    ambient: Float[Tensor, "scenes 3"]


def _shapes(layout: Layout, present: Tensor) -> tuple[Tensor, Tensor]:
    """Unit-shape maps and half sizes of all primitives and the room; the absent lie far below."""
    far = layout.centers.new_tensor([0.0, 0.0, -1e6])
    centers = torch.where(present[..., None], layout.centers, far)
    room_center = torch.stack(
        [0 * layout.room_half[:, 0], 0 * layout.room_half[:, 0], layout.room_half[:, 2]], -1
    )
    eye = torch.eye(3, device=far.device).expand(len(centers), 1, 3, 3)
    rotations = torch.cat([layout.rotations, eye], 1)
    half = torch.cat([layout.half_sizes, layout.room_half[:, None]], 1)
    centers = torch.cat([centers, room_center[:, None]], 1)
    linear = rotations.transpose(-1, -2) / half[..., None]
    offset = -(linear @ centers[..., None])
    return torch.cat([linear, offset], -1), half


def _color_matrices(draws: Draws, contrast: Tensor) -> Float[Tensor, "scenes materials 3 4"]:
    """Hue turned, saturation and contrast changed, then a base colour."""
    angle = draws.uniform(0, 2 * torch.pi, NUM_MATERIALS)
    saturation = draws.uniform(0.1, 0.9, NUM_MATERIALS)
    third = angle.new_full((3, 3), 1 / 3)
    cross = third.new_tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
    around = angle.cos()[..., None, None] * (torch.eye(3, device=third.device) - third)
    turn = around + angle.sin()[..., None, None] * cross
    sign = torch.where(draws.chance(0.2, NUM_MATERIALS), -1.0, 1.0)
    matrix = (contrast * sign)[..., None, None] * (third + saturation[..., None, None] * turn)
    base = draws.uniform(0.35, 0.68, NUM_MATERIALS, 1)
    tint = 0.07 * draws.normal(NUM_MATERIALS, 3)
    return torch.cat([matrix, (base + tint)[..., None]], -1)


def _materials(draws: Draws, half: Tensor, open_air: Tensor, num_textures: int) -> Tensor:
    """Texture, scale, turn, offset and colours of every primitive and the room's six faces."""
    largest = 2 * half[:, :NUM_PRIMITIVES].amax(-1)
    room = half[:, NUM_PRIMITIVES].amin(-1, keepdim=True).clamp(max=4)
    repeat = torch.cat(
        [
            largest * draws.log_uniform(0.35, 1.6, NUM_PRIMITIVES),
            room * draws.log_uniform(0.6, 2, 6),
        ],
        1,
    )
    number = torch.arange(NUM_MATERIALS, device=half.device)
    sky = open_air[:, None] & (number >= NUM_PRIMITIVES) & (number != _FLOOR)
    texture = NUM_SKIES + draws.integer(max(num_textures - NUM_SKIES, 1), NUM_MATERIALS)
    texture = torch.where(sky, draws.integer(NUM_SKIES, 1), texture)
    repeat = torch.where(sky, 24.0, repeat)
    quarter = draws.chance(0.7, NUM_MATERIALS)
    turn = draws.uniform(-0.04, 0.04, NUM_MATERIALS)
    turn = torch.where(quarter, turn, draws.uniform(-torch.pi, torch.pi, NUM_MATERIALS))
    contrast = torch.where(sky, 0.5, draws.uniform(0.6, 1.15, NUM_MATERIALS))
    colors = _color_matrices(draws, contrast)
    blue = torch.cat(
        [draws.uniform(0.45, 0.75, 1), draws.uniform(0.6, 0.8, 1), draws.uniform(0.75, 0.92, 1)], -1
    )
    grey = torch.full_like(colors[..., :3], 1 / 3) * contrast[..., None, None]
    sky_colors = torch.cat([grey, blue[:, None, :, None].expand(-1, NUM_MATERIALS, -1, -1)], -1)
    colors = torch.where(sky[..., None, None], sky_colors, colors)
    uv = [turn.cos() / repeat, turn.sin() / repeat]
    offset = draws.uniform(0, 1, NUM_MATERIALS, 2)
    return torch.cat([torch.stack([texture, *uv], -1), offset, colors.flatten(-2)], -1)


def _light(draws: Draws, layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
    """A lamp under the ceiling or a distant sun; its colour; the light from everywhere."""
    room = layout.room_half
    lamp = torch.cat(
        [
            (2 * draws.uniform(0, 1, 2) - 1) * 0.75 * room[:, :2],
            2 * room[:, 2:] * draws.uniform(0.8, 0.97, 1),
        ],
        -1,
    )
    azimuth = draws.uniform(0, 2 * torch.pi)
    facade_side = torch.where(
        layout.azimuth[:, 1] < 3, layout.azimuth[:, 0] + 0.45 * (azimuth - torch.pi), azimuth
    )
    height = draws.uniform(0.35, 1.4)
    up = torch.stack(
        [facade_side.cos() * height.cos(), facade_side.sin() * height.cos(), height.sin()], -1
    )
    sun = 15 * layout.extent[:, None] * up
    light = torch.where(layout.open_air[:, None], sun, lamp)
    warm = 1 + 0.1 * draws.normal(3)
    strength = draws.uniform(0.3, 1.3, 1)
    return light, strength * warm, draws.uniform(0.4, 0.8, 1) * (1 + 0.06 * draws.normal(3))


def draw_scenes(draws: Draws, num_textures: int) -> tuple[Scenes, Layout]:
    """Random scenes, and the layouts they were made from."""
    layout = draw_layout(draws)
    crowd = draws.uniform(0.35, 1, 1)
    present = draws.uniform(0, 1, NUM_PRIMITIVES) < crowd
    # Box 0 carries the place itself: the table's top, the facade's wall.
    present = present | (torch.arange(NUM_PRIMITIVES, device=present.device) == 0)
    local_from_world, half = _shapes(layout, present)
    materials = _materials(draws, half, layout.open_air, num_textures)
    light, light_color, ambient = _light(draws, layout)
    air = torch.ones(6, device=half.device)
    air[4] = 0.0
    sky_faces = air * layout.open_air[:, None]
    return Scenes(local_from_world, half, materials, sky_faces, light, light_color, ambient), layout
