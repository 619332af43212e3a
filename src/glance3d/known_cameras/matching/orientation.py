"""Cameras of photos as they are stored, turned into those of the upright photos.

A photo whose EXIF orientation is not 1 is shown turned or mirrored. Some tools look at the stored
pixels and ignore the tag: their cameras are of another picture than the upright one that we see.
Where both have the same shape (turned by half, or square photos), a camera's size cannot tell which
one is meant.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.known_cameras.cameras import KnownCamera

Size = tuple[int, int]

# Directions (x, y) in the upright photo of those in the stored one, by EXIF orientation.
_UPRIGHT_FROM_STORED: dict[int, tuple[tuple[int, int], tuple[int, int]]] = {
    2: ((-1, 0), (0, 1)),
    3: ((-1, 0), (0, -1)),
    4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)),
    6: ((0, -1), (1, 0)),
    7: ((0, -1), (-1, 0)),
    8: ((0, 1), (-1, 0)),
}
_MIRRORED = (2, 4, 5, 7)
_ON_ITS_SIDE = (5, 6, 7, 8)


def is_turned(orientation: int) -> bool:
    """Whether the upright photo differs from the stored one."""
    return orientation in _UPRIGHT_FROM_STORED


def is_mirrored(orientation: int) -> bool:
    """Whether it differs by a mirror, which no rotation of a camera makes."""
    return orientation in _MIRRORED


def stored_size(upright: Size, orientation: int) -> Size:
    """Width and height of the pixels as they are stored."""
    return upright[::-1] if orientation in _ON_ITS_SIDE else upright


def turned_upright(camera: KnownCamera, orientation: int) -> KnownCamera:
    """The camera of the upright photo, from one of the photo as it is stored.

    The pose of a mirrored photo is lost: a camera that sees the world mirrored is none.
    """
    turn = torch.tensor(_UPRIGHT_FROM_STORED[orientation], dtype=torch.float64)
    on_its_side = orientation in _ON_ITS_SIDE
    size = camera.size
    angles = camera.field_of_view_x, camera.field_of_view_y
    pose, intrinsics = camera.cam_from_world, camera.intrinsics
    return replace(
        camera,
        cam_from_world=None
        if pose is None or is_mirrored(orientation)
        else torch.block_diag(turn, turn.new_ones(1, 1)) @ pose,
        intrinsics=None if intrinsics is None else _turned_intrinsics(intrinsics, turn, size),
        size=size[::-1] if size is not None and on_its_side else size,
        field_of_view_x=angles[1] if on_its_side else angles[0],
        field_of_view_y=angles[0] if on_its_side else angles[1],
    )


def _turned_intrinsics(
    intrinsics: Float[Tensor, "3 3"], turn: Float[Tensor, "2 2"], size: Size | None
) -> Float[Tensor, "3 3"]:
    """Axes that change places take their focal lengths along; pixels count from the other side.

    ``size`` is the stored photo's; without it a principal point cannot be turned.
    """
    focal = turn.abs() @ intrinsics.diagonal()[:2]
    sides = turn.new_full((2,), torch.nan) if size is None else turn.new_tensor(size)
    centered = intrinsics[:2, 2] - sides / 2
    center = turn @ centered + turn.abs() @ sides / 2
    turned = torch.eye(3, dtype=torch.float64)
    turned[[0, 1], [0, 1]], turned[:2, 2] = focal, center
    return turned
