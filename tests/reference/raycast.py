"""Slow, obvious twin of the ray caster: one ray, one shape, one surface at a time, in float64."""

import numpy as np

BOX, BALL, CYLINDER = "box", "ball", "cylinder"


def kind_of(shape: int) -> str:
    return BOX if shape < 12 else BALL if shape < 16 else CYLINDER


def _roots(a: float, b: float, c: float) -> list[float]:
    discriminant = b * b - 4 * a * c
    if discriminant < 0 or a == 0:
        return []
    return [(-b + sign * discriminant**0.5) / (2 * a) for sign in (-1, 1)]


def surface_crossings(kind: str, origin: np.ndarray, direction: np.ndarray) -> list[float]:
    """Every parameter at which the ray pierces the unit shape's surface, sorted."""
    distances = []
    if kind == BOX:
        for axis in range(3):
            for side in (-1.0, 1.0):
                t = (side - origin[axis]) / direction[axis]
                others = np.delete(origin + t * direction, axis)
                if (np.abs(others) <= 1).all():
                    distances.append(t)
    elif kind == BALL:
        distances = _roots(direction @ direction, 2 * origin @ direction, origin @ origin - 1)
    else:
        o, d = origin[:2], direction[:2]
        for t in _roots(d @ d, 2 * o @ d, o @ o - 1):
            if abs(origin[2] + t * direction[2]) <= 1:
                distances.append(t)
        for side in (-1.0, 1.0):
            t = (side - origin[2]) / direction[2]
            if np.linalg.norm((origin + t * direction)[:2]) <= 1:
                distances.append(t)
    return sorted(distances)


def first_hit(
    local_from_world: np.ndarray, origin: np.ndarray, direction: np.ndarray
) -> tuple[float, int]:
    """Parameter and number of the first shape that the ray enters; the last shape is the room."""
    best, shape = np.inf, -1
    for number, affine in enumerate(local_from_world[:-1]):
        local_origin = affine[:, :3] @ origin + affine[:, 3]
        crossings = surface_crossings(kind_of(number), local_origin, affine[:, :3] @ direction)
        if len(crossings) >= 2 and 1e-3 < crossings[0] < best:
            best, shape = crossings[0], number
    room = local_from_world[-1]
    crossings = surface_crossings(BOX, room[:, :3] @ origin + room[:, 3], room[:, :3] @ direction)
    wall = crossings[-1]
    return (wall, len(local_from_world) - 1) if wall < best else (best, shape)
