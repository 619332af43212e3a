"""Rooms with boxes, photographed by the ray caster: true cameras, true depth, real texture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from glance3d.datasets.synthetic.raycast import NUM_PRIMITIVES
from glance3d.datasets.synthetic.visibility import cast
from glance3d.geometry.cameras import pixel_grid, project_points, unproject_depth
from glance3d.images import content_of
from glance3d.multiview.view_graph import VerifiedPair
from glance3d.types import Cameras, Placement, Reconstruction, SparsePoints

SIZE = (400, 300)  # width, height
SCALE = 0.28
FOCAL = 340.0
ROOM_HALF = (4.5, 3.0, 6.0)

Box = tuple[tuple[float, float, float], tuple[float, float, float]]
BOXES: tuple[Box, ...] = (
    ((-1.6, 0.8, 2.0), (0.7, 0.9, 0.6)),
    ((1.2, -0.3, 3.4), (0.8, 0.5, 0.7)),
    ((0.2, 1.4, 0.8), (0.5, 0.5, 0.5)),
)


@dataclass(frozen=True)
class Room:
    """Boxes in a room, with a texture that fills space, or none at all."""

    boxes: tuple[Box, ...] = BOXES
    seed: int = 0
    plain: bool = False


def pose(eye: Sequence[float], target: Sequence[float] = (0.0, 0.3, 2.0)) -> Tensor:
    """``cam_from_world`` of a camera that looks at ``target``; y is down."""
    center, aim = torch.tensor(eye).double(), torch.tensor(target).double()
    forward = torch.nn.functional.normalize(aim - center, dim=0)
    down = torch.tensor([0.0, 1.0, 0.0]).double()
    right = torch.nn.functional.normalize(torch.linalg.cross(down, forward), dim=0)
    rotation = torch.stack([right, torch.linalg.cross(forward, right), forward])
    return torch.cat([rotation, -(rotation @ center)[:, None]], 1)


def arc(num_views: int, width: float = 2.4) -> list[Tensor]:
    """Cameras side by side, all looking at the middle of the room."""
    steps = [i / max(num_views - 1, 1) - 0.5 for i in range(num_views)]
    return [pose((width * s, 0.3 * math.cos(9 * s), -4.5)) for s in steps]


def turning(num_views: int, step: float = 0.12) -> list[Tensor]:
    """One place, different directions."""
    turns = [step * (i - (num_views - 1) / 2) for i in range(num_views)]
    return [pose((0.0, 0.0, -4.5), (math.sin(a), 0.0, -4.5 + math.cos(a))) for a in turns]


def photograph(room: Room, cam_from_world: Tensor) -> Image.Image:
    """What a camera of ``SIZE`` sees."""
    width, height = SIZE
    pixels = pixel_grid(height, width).flatten(0, 1)
    points, _, _ = _cast(room, cam_from_world.float(), _intrinsics(1.0).float(), pixels)
    colors = _plain(points) if room.plain else _texture(points, room.seed)
    image = colors.reshape(height, width, 3).round().clamp(0, 255)
    return Image.fromarray(image.to(torch.uint8).numpy())


def build_scene(
    rooms: Sequence[Room],
    poses: Sequence[Tensor],
    folder: Path | None = None,
    same_as: dict[int, int] | None = None,
) -> Reconstruction:
    """One view a room and pose, with true cameras and true depth; photos in ``folder`` if asked."""
    placement = Placement(
        SIZE, (round(SIZE[0] * SCALE), round(SIZE[1] * SCALE)), (SCALE, SCALE), (0.0, 0.0)
    )
    width, height = placement.processed_size
    pixels = pixel_grid(height, width).double().flatten(0, 1)
    depth, colors, sources = [], [], []
    for view, (room, cam_from_world) in enumerate(zip(rooms, poses, strict=True)):
        z = _cast(room, cam_from_world, _intrinsics(SCALE), pixels)[1]
        depth.append(z.reshape(height, width).float())
        name = f"view{view:02d}.png"
        sources.append(name if folder is None else str(folder / name))
        if folder is None:
            photo = Image.new("RGB", (width, height))
        else:
            photo = photograph(room, cam_from_world)
            photo.save(folder / name)
        small = photo.resize((width, height), Image.Resampling.BOX)
        colors.append(torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8))
    num_views = len(depth)
    cam_from_world = torch.stack(list(poses)).float()
    on_grid = _intrinsics(SCALE).float().expand(num_views, 3, 3)
    depths = torch.stack(depth)
    return Reconstruction(
        names=tuple(f"view{view:02d}.png" for view in range(num_views)),
        sources=tuple(sources),
        contents=tuple(content_of(Path(s)) if Path(s).is_file() else None for s in sources),
        placements=(placement,) * num_views,
        cameras=Cameras(
            cam_from_world,
            _intrinsics(1.0).float().expand(num_views, 3, 3).clone(),
            torch.tensor([SIZE] * num_views),
        ),
        colors=torch.stack(colors).reshape(num_views, height, width, 3),
        mask=torch.ones(num_views, height, width, dtype=torch.bool),
        depth=depths,
        points_world=unproject_depth(depths, cam_from_world, on_grid),
        points_from="depth",
        model="ray caster",
    )


def with_depth(scene: Reconstruction, depth: Tensor) -> Reconstruction:
    """The scene with this depth and its points."""
    grid = scene.cameras.on_grid(scene.placements)
    points = unproject_depth(depth, grid.cam_from_world, grid.intrinsics)
    return replace(scene, depth=depth, points_world=points)


def with_cameras(scene: Reconstruction, cam_from_world: Tensor) -> Reconstruction:
    """The scene with these poses and its points."""
    moved = replace(scene, cameras=replace(scene.cameras, cam_from_world=cam_from_world))
    assert moved.depth is not None
    return with_depth(moved, moved.depth)


def with_tracks(
    scene: Reconstruction, num_points: int = 400, noise: float = 0.3, seed: int = 0
) -> Reconstruction:
    """The scene with points that every view sees that could (through walls, too), with noise."""
    generator = torch.Generator().manual_seed(seed)
    assert scene.points_world is not None
    pool = scene.points_world.flatten(0, 2)
    points = pool[torch.randperm(len(pool), generator=generator)[:num_points]].double()
    cameras, num_views = scene.cameras, scene.num_views
    pixels, depth = project_points(
        points.expand(num_views, -1, -1),
        cameras.cam_from_world.double(),
        cameras.intrinsics.double(),
    )
    grid = cameras.on_grid(scene.placements)
    at, _ = project_points(
        points.float().expand(num_views, -1, -1), grid.cam_from_world, grid.intrinsics
    )
    inside = ((pixels > 0) & (pixels < cameras.image_sizes[:, None])).all(-1) & (depth > 0)
    x, y = torch.where(inside[..., None], at, 0.0).long().unbind(-1)
    assert scene.depth is not None
    surface = scene.depth[torch.arange(num_views)[:, None], y, x]
    inside &= (surface - depth).abs() < 0.05 * depth
    kept = inside.sum(0) >= 2
    views, indices = inside[:, kept].nonzero().unbind(-1)
    seen = pixels[:, kept][views, indices]
    seen = seen + noise * torch.randn(seen.shape, generator=generator).double()
    sparse = SparsePoints(
        points[kept], torch.zeros(int(kept.sum()), 3, dtype=torch.uint8), views, indices, seen
    )
    return replace(scene, sparse=sparse)


def matches_between(
    scene: Reconstruction, noise: float, first: int = 0, second: int = 1
) -> VerifiedPair:
    """Noisy matches at points of the first view's surface that both photos show."""
    assert scene.points_world is not None
    points = scene.points_world[first].reshape(-1, 3)[::7].double()
    random = np.random.default_rng(0)
    seen = []
    for view in (first, second):
        pixels, _ = project_points(
            points,
            scene.cameras.cam_from_world[view].double(),
            scene.cameras.intrinsics[view].double(),
        )
        seen.append(pixels.numpy() + noise * random.normal(size=(len(points), 2)))
    inside = np.all([((p > 0) & (p < SIZE)).all(1) for p in seen], 0)
    return VerifiedPair(first, second, seen[0][inside], seen[1][inside], True)


def _intrinsics(scale: float) -> Tensor:
    width, height = SIZE
    return (
        torch.tensor([[FOCAL, 0.0, width / 2], [0.0, FOCAL, height / 2], [0.0, 0.0, 1 / scale]])
        .double()
        .mul(scale)
    )


def _cast(
    room: Room, cam_from_world: Tensor, intrinsics: Tensor, pixels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Points, z-depth and shape numbers behind pixels."""
    far = ((0.0, 1e6, 0.0), (1.0, 1.0, 1.0))
    shapes = [*room.boxes, *[far] * (NUM_PRIMITIVES - len(room.boxes)), ((0.0,) * 3, ROOM_HALF)]
    centers = torch.tensor([center for center, _ in shapes]).to(pixels)
    half = torch.tensor([sizes for _, sizes in shapes]).to(pixels)
    local = torch.cat([torch.diag_embed(1 / half), -(centers / half)[..., None]], -1)
    hits = cast(local[None], cam_from_world.to(pixels)[None], intrinsics[None], pixels[None])
    return hits[0][0], hits[1][0], hits[2][0]


def _texture(points: Tensor, seed: int) -> Tensor:
    """Noise that fills space, of three sizes; [points, 3] in 0 to 255."""
    generator = torch.Generator().manual_seed(seed)
    colors = torch.full((len(points), 3), 128.0)
    for cells_a_metre, strength in ((1.7, 40.0), (5.3, 35.0), (13.0, 35.0)):
        volume = torch.randn(1, 3, 24, 24, 24, generator=generator)
        place = (points * cells_a_metre / 24 + 0.37).remainder(1.0) * 2 - 1
        value = torch.nn.functional.grid_sample(
            volume, place[None, :, None, None], padding_mode="border", align_corners=False
        )
        colors += strength * value[0, :, :, 0, 0].T
    return colors


def _plain(points: Tensor) -> Tensor:
    """A wall painted in one colour, in soft light."""
    light = 150 + 12 * torch.sin(points[:, :1] / 3)
    return light.expand(-1, 3)
