"""Positions of a scene's primitives: one function for each kind of place.

Convention: world axes with z up, the floor at z = 0, lengths like metres. A layout gives every
primitive a centre, half sizes and a rotation, plus what a photographer would aim at.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.objects import (
    TURN,
    axes,
    draw_lift,
    draw_objects,
    draw_places,
    rotation_z,
)
from glance3d.datasets.synthetic.raycast import NUM_BOXES, NUM_PRIMITIVES


class Layout(NamedTuple):
    """Primitives, the surrounding room (half sizes; its floor at z = 0), and what to look at."""

    centers: Float[Tensor, "scenes primitives 3"]
    half_sizes: Float[Tensor, "scenes primitives 3"]
    rotations: Float[Tensor, "scenes primitives 3 3"]
    room_half: Float[Tensor, "scenes 3"]
    open_air: Bool[Tensor, " scenes"]
    focus: Float[Tensor, "scenes 3"]
    #: Radius of what is worth having in view.
    extent: Float[Tensor, " scenes"]
    #: Directions from which to look: the middle azimuth and how far from it, in radians.
    azimuth: Float[Tensor, "scenes 2"]


def _with_boxes(values: Tensor, boxes: Tensor, first: int = 0) -> Tensor:
    """``values`` with some of the boxes replaced."""
    last = first + boxes.shape[1]
    return torch.cat([values[:, :first], boxes, values[:, last:]], 1)


def _full_circle(draws: Draws) -> Tensor:
    middle = draws.uniform(0.0, TURN)
    return torch.stack([middle, torch.full_like(middle, torch.pi)], -1)


def room(draws: Draws) -> Layout:
    """Indoors: furniture along the walls, objects on the floor and in the air."""
    room_half = torch.stack(
        [draws.uniform(1.6, 4.5), draws.uniform(1.6, 4.5), draws.uniform(1.15, 1.8)], -1
    )
    half, rotations, rest = draw_objects(draws, draws.uniform(0.12, 0.4, 1))
    place = (2 * draws.unit(NUM_PRIMITIVES, 2) - 1) * room_half[:, None, :2] * 0.95
    centers = torch.cat(
        [place, (rest + draw_lift(draws, 0.35, room_half[:, None, 2]))[..., None]], -1
    )
    # Furniture: upright boxes against a wall, turned by quarters.
    furniture = 6
    size = torch.stack(
        [
            draws.uniform(0.25, 0.9, furniture),
            draws.uniform(0.15, 0.4, furniture),
            draws.log_uniform(0.2, 1.1, furniture),
        ],
        -1,
    )
    wall = draws.integer(4, furniture)
    turned = (wall < 2)[..., None]
    size = torch.where(turned, size[..., [1, 0, 2]], size)
    along = (2 * draws.unit(furniture, 2) - 1) * room_half[:, None, :2]
    pressed = (room_half[:, None, :2] - size[..., :2]) * torch.where(wall % 2 > 0, 1.0, -1.0)[
        ..., None
    ]
    axis = axes(size)[:2]
    at = torch.where(turned == (axis == 0), pressed, along)
    hung = draws.chance(0.35, furniture) * draws.uniform(0.3, 1.2, furniture)
    standing = torch.cat([at, (size[..., 2] + hung)[..., None]], -1)
    eye = torch.eye(3, device=half.device).expand(half.shape[0], furniture, 3, 3)
    aim = (2 * draws.unit(2) - 1) * room_half[:, :2] * 0.8
    return Layout(
        _with_boxes(centers, standing),
        _with_boxes(half, size),
        _with_boxes(rotations, eye),
        room_half,
        torch.zeros_like(room_half[:, 0], dtype=torch.bool),
        torch.cat([aim, draws.uniform(0.3, 1.4, 1)], -1),
        draws.uniform(0.6, 1.6),
        _full_circle(draws),
    )


def yard(draws: Draws) -> Layout:
    """Outdoors: objects on open ground, a few blocks like houses behind them."""
    extent = draws.log_uniform(0.8, 4.0)
    half, rotations, rest = draw_objects(draws, extent[:, None] * draws.uniform(0.1, 0.3, 1))
    place = draw_places(draws, extent[:, None])
    height = rest + draw_lift(draws, 0.15, extent[:, None])
    centers = torch.cat([place, height[..., None]], -1)
    houses = 4
    angle = draws.uniform(0.0, TURN, houses)
    away = extent[:, None] * draws.log_uniform(2.0, 5.0, houses)
    size = extent[:, None, None] * draws.log_uniform(0.5, 1.8, houses, 3)
    at = torch.stack([away * angle.cos(), away * angle.sin(), size[..., 2]], -1)
    return Layout(
        _with_boxes(centers, at),
        _with_boxes(half, size),
        _with_boxes(rotations, rotation_z(draws.uniform(0.0, TURN, houses))),
        _open_room(extent),
        torch.ones_like(extent, dtype=torch.bool),
        torch.cat(
            [0.3 * extent[:, None] * draws.normal(2), extent[:, None] * draws.uniform(0.1, 0.4, 1)],
            -1,
        ),
        extent,
        _full_circle(draws),
    )


def table(draws: Draws) -> Layout:
    """Small things on a slab, or on the ground, close by; indoors or out."""
    extent = draws.log_uniform(0.25, 0.8)
    top = draws.chance(0.6, 1) * draws.uniform(0.3, 0.9, 1)
    half, rotations, rest = draw_objects(draws, extent[:, None] * draws.uniform(0.15, 0.4, 1))
    centers = torch.cat([draw_places(draws, 0.8 * extent[:, None]), (rest + top)[..., None]], -1)
    stack = draws.chance(0.25, NUM_PRIMITIVES) * draws.uniform(0.0, 0.8, NUM_PRIMITIVES)
    centers = centers + torch.stack([0 * stack, 0 * stack, stack * extent[:, None]], -1)
    thick = 0.5 * top * draws.uniform(0.05, 1.0, 1).clamp(min=0.05) + 1e-3
    size = torch.cat([extent[:, None] * draws.uniform(0.9, 1.8, 2), thick], -1)[:, None]
    # Without a table its slab lies well below the ground, not in the ground's own plane.
    height = top - thick - 0.02 * (top == 0)
    at = torch.cat([0 * size[..., :2], height[:, None]], -1)
    open_air = draws.chance(0.4)
    indoor = torch.stack(
        [draws.uniform(1.3, 3.0), draws.uniform(1.3, 3.0), draws.uniform(1.1, 1.6)], -1
    )
    focus = torch.cat([0.3 * extent[:, None] * draws.normal(2), top + 0.3 * extent[:, None]], -1)
    return Layout(
        _with_boxes(centers, at),
        _with_boxes(half, size),
        _with_boxes(rotations, rotation_z(draws.uniform(0.0, TURN, 1))),
        torch.where(open_air[:, None], _open_room(extent), indoor),
        open_air,
        focus,
        extent,
        _full_circle(draws),
    )


def facade(draws: Draws) -> Layout:
    """A house front with windows, doors and ledges, and things before it."""
    extent = draws.log_uniform(1.2, 4.0)
    scale = extent[:, None]
    half, rotations, rest = draw_objects(draws, scale * draws.uniform(0.06, 0.2, 1))
    place = draw_places(draws, scale * 1.2)
    place = torch.stack([place[..., 0], -place[..., 1].abs() - 0.4 * scale], -1)
    centers = torch.cat([place, rest[..., None]], -1)
    wall = torch.stack([1.8 * extent, 0.3 * extent, extent * draws.uniform(0.8, 2.0)], -1)[:, None]
    parts = NUM_BOXES - 3
    size = scale[..., None] * torch.stack(
        [
            draws.log_uniform(0.08, 0.5, parts),
            draws.log_uniform(0.01, 0.12, parts),
            draws.log_uniform(0.08, 0.5, parts),
        ],
        -1,
    )
    x = (2 * draws.unit(parts) - 1) * 1.4 * scale
    z = draws.unit(parts) * 1.7 * wall[..., 2]
    at = torch.stack([x, -0.3 * scale.expand_as(x), z], -1)
    behind = torch.cat([0 * wall[..., :2], wall[..., 2:]], -1)
    upright = torch.eye(3, device=half.device).expand(half.shape[0], parts + 1, 3, 3)
    aim = [0.6 * extent * draws.normal(), -0.3 * extent, extent * draws.uniform(0.3, 0.8)]
    front = torch.full_like(extent, -torch.pi / 2)
    return Layout(
        _with_boxes(centers, torch.cat([behind, at], 1)),
        _with_boxes(half, torch.cat([wall, size], 1)),
        _with_boxes(rotations, upright),
        _open_room(extent),
        torch.ones_like(extent, dtype=torch.bool),
        torch.stack(aim, -1),
        0.8 * extent,
        torch.stack([front, draws.uniform(0.2, 0.9)], -1),
    )


def _open_room(extent: Tensor) -> Tensor:
    """A "room" so large that its walls serve as the sky."""
    return 20 * extent[:, None] * extent.new_ones(3)


#: Kinds of places and how often each is drawn. Add one here.
LAYOUTS = ((room, 0.4), (yard, 0.22), (table, 0.2), (facade, 0.18))


def draw_layout(draws: Draws) -> Layout:
    """One layout a scene, of a random kind (all kinds are drawn, one is kept, so nothing waits)."""
    pick = draws.unit()
    mixed, total = None, 0.0
    for make, share in LAYOUTS:
        layout = make(draws)
        if mixed is None:
            mixed = layout
        else:
            chosen = pick >= total
            mixed = Layout(
                *(
                    torch.where(chosen.reshape(-1, *[1] * (new.ndim - 1)), new, old)
                    for new, old in zip(layout, mixed, strict=True)
                )
            )
        total += share
    assert mixed is not None
    return mixed
