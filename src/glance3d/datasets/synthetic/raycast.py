"""Ray casting in a scene of convex primitives in a room: analytic, batched, without branches.

Every primitive is a unit shape under an affine map: the box [-1, 1]^3, the unit ball, or the
cylinder of radius 1 about z with |z| <= 1. A ray crosses a convex shape in one interval of its
parameter, so that three small formulas suffice. Slots of one kind are contiguous, so that the loop
needs no branches: boxes first, then ellipsoids, then cylinders; the room around everything is the
last shape.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

NUM_BOXES, NUM_ELLIPSOIDS, NUM_CYLINDERS = 12, 4, 4
NUM_PRIMITIVES = NUM_BOXES + NUM_ELLIPSOIDS + NUM_CYLINDERS
#: The room's index behind the primitives; its six faces have materials of their own.
ROOM = NUM_PRIMITIVES
NUM_MATERIALS = NUM_PRIMITIVES + 6

_MISS = 1e9
_TINY = 1e-20

Components = tuple[Tensor, Tensor, Tensor]
Interval = tuple[Tensor, Tensor]


def box_interval(origin: Components, direction: Components) -> Interval:
    """Interval of a ray inside the box [-1, 1]^3; empty (near >= far) if it misses the box."""
    inverse = [1 / (d + _TINY) for d in direction]
    middle = [-o * i for o, i in zip(origin, inverse, strict=True)]
    reach = [i.abs() for i in inverse]
    enter = [m - r for m, r in zip(middle, reach, strict=True)]
    leave = [m + r for m, r in zip(middle, reach, strict=True)]
    near = torch.maximum(torch.maximum(enter[0], enter[1]), enter[2])
    far = torch.minimum(torch.minimum(leave[0], leave[1]), leave[2])
    return near, far


def _quadric_interval(a: Tensor, b: Tensor, c: Tensor) -> Interval:
    """Interval of t where a t^2 + 2 b t + c <= 0."""
    discriminant = b * b - a * c
    root = discriminant.clamp(min=0).sqrt()
    inverse = 1 / a
    near = torch.where(discriminant > 0, (-b - root) * inverse, _MISS)
    return near, (-b + root) * inverse


def ellipsoid_interval(origin: Components, direction: Components) -> Interval:
    """Interval of a ray inside the unit ball."""
    (ox, oy, oz), (dx, dy, dz) = origin, direction
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    return _quadric_interval(a, b, ox * ox + oy * oy + oz * oz - 1)


def cylinder_interval(origin: Components, direction: Components) -> Interval:
    """Interval of a ray inside the cylinder of radius 1 about z, |z| <= 1."""
    (ox, oy, oz), (dx, dy, dz) = origin, direction
    side_near, side_far = _quadric_interval(
        dx * dx + dy * dy + _TINY, ox * dx + oy * dy, ox * ox + oy * oy - 1
    )
    inverse = 1 / (dz + _TINY)
    middle, reach = -oz * inverse, inverse.abs()
    return torch.maximum(side_near, middle - reach), torch.minimum(side_far, middle + reach)


_KINDS: tuple[tuple[Callable[[Components, Components], Interval], int], ...] = (
    (box_interval, NUM_BOXES),
    (ellipsoid_interval, NUM_ELLIPSOIDS),
    (cylinder_interval, NUM_CYLINDERS),
)


def rotate(matrix: Float[Tensor, "*batch 3 3"], vector: Components) -> Components:
    """``matrix @ vector`` on vectors kept as three tensors; the matrix's batch broadcasts."""
    x, y, z = vector
    rows = [matrix[..., k, 0] * x + matrix[..., k, 1] * y + matrix[..., k, 2] * z for k in range(3)]
    return rows[0], rows[1], rows[2]


def _at_once(device_type: str) -> int:
    """How many primitives to intersect in one tensor operation.

    Compiled, a whole kind is one fused reduction; on a GPU fewer launches win; plain on a CPU, one
    at a time keeps temporaries in cache.
    """
    return NUM_PRIMITIVES if torch.compiler.is_compiling() or device_type != "cpu" else 1


def closest_primitive(
    local_origin: Float[Tensor, "tiles primitives 3"],
    local_from_world: Float[Tensor, "tiles primitives 3 3"],
    direction: Components,
    near: float,
) -> tuple[Float[Tensor, "tiles rays"], Int[Tensor, "tiles rays"]]:
    """The first entry into a primitive beyond ``near`` along each ray, and which primitive.

    Parameters are in units of the direction's length (z-depth, for directions with camera z of 1).
    All rays of a tile share the tile's origin. Misses have a parameter of 1e9. Shapes around the
    origin are ignored.
    """
    best = torch.full_like(direction[0], _MISS)
    index = torch.zeros_like(direction[0], dtype=torch.int64)
    step = _at_once(best.device.type)
    rays = (direction[0][:, None], direction[1][:, None], direction[2][:, None])
    first = 0
    for interval, count in _KINDS:
        for start in range(first, first + count, step):
            part = slice(start, min(start + step, first + count))
            o = local_origin[:, part, None]
            enter, leave = interval(
                (o[..., 0], o[..., 1], o[..., 2]), rotate(local_from_world[:, part, None], rays)
            )
            enter = torch.where((enter < leave) & (enter > near), enter, _MISS)
            nearest, which = enter.min(dim=1)
            index = torch.where(nearest < best, which + start, index)
            best = torch.minimum(nearest, best)
        first += count
    return best, index


def trace(
    local_origin: Float[Tensor, "tiles shapes 3"],
    local_from_world: Float[Tensor, "tiles shapes 3 3"],
    direction: Components,
    near: float = 1e-3,
) -> tuple[Float[Tensor, "tiles rays"], Int[Tensor, "tiles rays"]]:
    """The first surface along each ray: a primitive, or else the room's inside (index ``ROOM``)."""
    t, index = closest_primitive(
        local_origin[:, :ROOM], local_from_world[:, :ROOM], direction, near
    )
    origin = local_origin[:, ROOM, None]
    _, room = box_interval(
        (origin[..., 0], origin[..., 1], origin[..., 2]),
        rotate(local_from_world[:, ROOM, None], direction),
    )
    return torch.minimum(t, room), torch.where(room < t, ROOM, index)
