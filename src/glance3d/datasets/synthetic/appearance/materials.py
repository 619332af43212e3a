"""Materials: a texture, how it is mapped onto the surface, and a change of its colours."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.datasets.synthetic.appearance.textures import NUM_SKIES
from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.raycast import NUM_MATERIALS, NUM_PRIMITIVES

#: Metres that a cloud texture spans at the distance of the sky.
_SKY_REPEAT = 24.0


def _color_matrices(draws: Draws, contrast: Tensor) -> Float[Tensor, "scenes materials 3 4"]:
    """Colour matrices that change hue, saturation and contrast around a base colour."""
    angle = 0.5 * draws.normal(NUM_MATERIALS)
    saturation = 0.15 + 0.75 * draws.unit(NUM_MATERIALS) ** 1.5
    # A rotation about the grey axis: grey stays, hues change by the angle.
    third = angle.new_full((3, 3), 1 / 3)
    eye = torch.eye(3, device=third.device)
    cross = (eye.roll(1, 0) - eye.roll(-1, 0)) / 3**0.5
    around = angle.cos()[..., None, None] * (eye - third)
    turn = around + angle.sin()[..., None, None] * cross
    sign = torch.where(draws.chance(0.12, NUM_MATERIALS), -1.0, 1.0)
    matrix = (contrast * sign)[..., None, None] * (third + saturation[..., None, None] * turn)
    base = draws.uniform(0.33, 0.7, NUM_MATERIALS, 1)
    warmth = 0.05 * draws.normal(NUM_MATERIALS, 1) * torch.linspace(1, -1, 3, device=base.device)
    tint = 0.03 * draws.normal(NUM_MATERIALS, 3)
    return torch.cat([matrix, (base + warmth + tint)[..., None]], -1)


def _sky_colors(draws: Draws, void: Bool[Tensor, " scenes"]) -> Float[Tensor, "scenes 1 3 4"]:
    """Grey clouds on a blue or white sky; for a void, one flat grey from black to white."""
    red, green = draws.uniform(0.4, 0.8, 1), draws.uniform(0.55, 0.82, 1)
    blue = torch.cat([red, green, torch.maximum(green, draws.uniform(0.65, 0.92, 1))], -1)
    flat = draws.uniform(0.0, 1.0, 1).expand(-1, 3)
    base = torch.where(void[:, None], flat, blue)
    clouds = torch.where(void, 0.0, draws.uniform(0.1, 0.7))[:, None, None].expand(-1, 3, 3) / 3
    return torch.cat([clouds, base[..., None]], -1)[:, None]


def _repeats(draws: Draws, half_sizes: Tensor, sky: Tensor) -> Tensor:
    """Metres that one repeat of the texture spans, by the size of what it is on."""
    largest = 2 * half_sizes[:, :NUM_PRIMITIVES].amax(-1)
    room = half_sizes[:, NUM_PRIMITIVES].amin(-1, keepdim=True).clamp(max=4)
    objects = largest * draws.log_uniform(0.35, 1.6, NUM_PRIMITIVES)
    walls = room * draws.log_uniform(0.6, 2.0, NUM_MATERIALS - NUM_PRIMITIVES)
    return torch.where(sky, _SKY_REPEAT, torch.cat([objects, walls], 1))


def draw_materials(
    draws: Draws,
    half_sizes: Float[Tensor, "scenes shapes 3"],
    sky_faces: Float[Tensor, "scenes 6"],
    num_textures: int,
) -> Float[Tensor, "scenes materials 17"]:
    """One material for every primitive, then for the room's six faces; columns as in ``Tiles``."""
    nothing = torch.zeros_like(half_sizes[:, :NUM_PRIMITIVES, 0])
    sky = torch.cat([nothing, sky_faces], 1) > 0.5
    texture = NUM_SKIES + draws.integer(num_textures - NUM_SKIES, NUM_MATERIALS)
    texture = torch.where(sky, draws.integer(NUM_SKIES, 1), texture)
    repeat = _repeats(draws, half_sizes, sky)
    # Most textures lie along the axes of what they are on, as bricks and boards do.
    straight = draws.uniform(-0.04, 0.04, NUM_MATERIALS)
    turned = draws.uniform(-torch.pi, torch.pi, NUM_MATERIALS)
    turn = torch.where(draws.chance(0.7, NUM_MATERIALS), straight, turned)
    plain = draws.uniform(0.1, 0.4, NUM_MATERIALS)
    rich = draws.uniform(0.6, 1.1, NUM_MATERIALS)
    contrast = torch.where(draws.chance(0.15, NUM_MATERIALS), plain, rich)
    void = sky_faces.amin(1) > 0.5
    colors = torch.where(
        sky[..., None, None], _sky_colors(draws, void), _color_matrices(draws, contrast)
    )
    placed = torch.stack([texture, turn.cos() / repeat, turn.sin() / repeat], -1)
    offset = draws.unit(NUM_MATERIALS, 2)
    return torch.cat([placed, offset, colors.flatten(-2)], -1)
