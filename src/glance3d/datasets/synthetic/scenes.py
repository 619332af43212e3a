"""A batch of scenes as tensors: shapes, materials and light."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.datasets.synthetic.appearance.materials import draw_materials
from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.layouts import Layout, draw_layout
from glance3d.datasets.synthetic.raycast import NUM_PRIMITIVES

#: Uniform numbers one scene may use; raise it when a layout needs more.
DRAWS_PER_SCENE = 6000
#: The room's faces are -x, +x, -y, +y, -z, +z.
FLOOR_FACE = 4


class Scenes(NamedTuple):
    """Everything that rays can hit, one row a scene; the last shape is the room (see ``Tiles``)."""

    local_from_world: Float[Tensor, "scenes shapes 3 4"]
    half_size: Float[Tensor, "scenes shapes 3"]
    materials: Float[Tensor, "scenes materials 17"]
    sky_faces: Float[Tensor, "scenes 6"]
    light: Float[Tensor, "scenes 3"]
    light_color: Float[Tensor, "scenes 3"]
    ambient: Float[Tensor, "scenes 3"]


def _shapes(layout: Layout, present: Tensor) -> tuple[Tensor, Tensor]:
    """Unit-shape maps and half sizes of all primitives and the room; unused ones lie far below."""
    height = torch.where(present, layout.centers[..., 2], -1e6)
    centers = torch.cat([layout.centers[..., :2], height[..., None]], -1)
    eye = torch.eye(3, device=centers.device).expand(len(centers), 1, 3, 3)
    room_center = layout.room_half * eye[:, 0, 2]
    rotations = torch.cat([layout.rotations, eye], 1)
    half = torch.cat([layout.half_sizes, layout.room_half[:, None]], 1)
    centers = torch.cat([centers, room_center[:, None]], 1)
    linear = rotations.transpose(-1, -2) / half[..., None]
    offset = -(linear @ centers[..., None])
    return torch.cat([linear, offset], -1), half


def _draw_lamp(draws: Draws, layout: Layout) -> Tensor:
    """Position of a lamp under the ceiling."""
    spread = 0.75 * draws.uniform(-1.0, 1.0, 2) * layout.room_half[:, :2]
    return torch.cat([spread, 2 * layout.room_half[:, 2:] * draws.uniform(0.8, 0.97, 1)], -1)


def _draw_sun(draws: Draws, layout: Layout) -> Tensor:
    """Position of a sun, high and far away; mostly on the viewed side if cameras see only one."""
    azimuth, height = draws.uniform(-torch.pi, torch.pi), draws.uniform(0.35, 1.4)
    one_sided = layout.azimuth[:, 1] < 3
    azimuth = layout.azimuth[:, 0] + torch.where(one_sided, 0.45, 1.0) * azimuth
    flat = height.cos()
    up = torch.stack([azimuth.cos() * flat, azimuth.sin() * flat, height.sin()], -1)
    return 15 * layout.extent[:, None] * up


def _draw_sky_faces(draws: Draws, layout: Layout) -> Float[Tensor, "scenes 6"]:
    """1 for faces of the room that are sky: outdoors all but the floor, sometimes all.

    Without a floor the objects float in front of one colour, as on photographs of exhibits.
    """
    floor = torch.arange(6, device=layout.extent.device) == FLOOR_FACE
    void = draws.chance(0.08, 1)
    return (layout.open_air[:, None] & (~floor | void)).float()


def draw_scenes(
    draws: Draws, num_textures: int, make_layout: Callable[[Draws], Layout] = draw_layout
) -> tuple[Scenes, Layout]:
    """Random scenes, and the layouts they were made from; of any kind, or of one."""
    layout = make_layout(draws)
    crowd = draws.uniform(0.35, 1.0, 1)
    present = draws.unit(NUM_PRIMITIVES) < crowd
    # Box 0 carries the place itself: the table's top, the facade's wall.
    present = present | (torch.arange(NUM_PRIMITIVES, device=present.device) == 0)
    local_from_world, half = _shapes(layout, present)
    sky_faces = _draw_sky_faces(draws, layout)
    materials = draw_materials(draws, half, sky_faces, num_textures)
    lamp, sun = _draw_lamp(draws, layout), _draw_sun(draws, layout)
    light = torch.where(layout.open_air[:, None], sun, lamp)
    light_color = draws.uniform(0.3, 1.3, 1) * (1 + 0.1 * draws.normal(3))
    ambient = draws.uniform(0.4, 0.8, 1) * (1 + 0.06 * draws.normal(3))
    scenes = Scenes(local_from_world, half, materials, sky_faces, light, light_color, ambient)
    return scenes, layout
