"""A scene known in closed form: a sphere before a slanted wall, seen by four kinds of photo."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from glance3d.geometry.cameras import camera_rays, pixel_grid, project_points, unproject_depth
from glance3d.geometry.transforms import compose, invert
from glance3d.images import content_of
from glance3d.types import Cameras, Placement, Reconstruction, Report, SparsePoints, Tracks

GRID = 112
SPHERE_CENTER, SPHERE_RADIUS = torch.tensor([0.2, -0.1, 4.0]).double(), 1.0
WALL_NORMAL, WALL_DISTANCE = torch.tensor([0.1, -0.2, 1.0]).double(), 6.0


@dataclass(frozen=True)
class PhotoKind:
    name: str
    placement: Placement
    focal: tuple[float, float]


# Whole landscape and portrait photos with padding, a phone photo stored on its side, and one that
# was squeezed and cropped.
KINDS = (
    PhotoKind("a.jpg", Placement((320, 240), (GRID, GRID), (0.35, 0.35), (0.0, 14.0)), (300, 310)),
    PhotoKind(
        "b.png", Placement((180, 240), (GRID, GRID), (7 / 15, 7 / 15), (14.0, 0.0)), (220, 215)
    ),
    PhotoKind(
        "C.JPG", Placement((240, 320), (GRID, GRID), (0.35, 0.35), (14.0, 0.0), 6), (330, 330)
    ),
    PhotoKind("d.webp", Placement((400, 200), (GRID, GRID), (0.4, 0.56), (-24.0, 0.0)), (350, 340)),
)

RADIAL = (-0.15, 0.1, -0.05, 0.2)


def camera_looking_at_scene(view: int, num_views: int) -> Tensor:
    """``cam_from_world``, on an arc around the sphere; the first is the world's origin."""
    angle = 0.5 * view / max(num_views - 1, 1)
    turn = torch.tensor(
        [
            [math.cos(angle), 0, math.sin(angle)],
            [0.0, 1, 0],
            [-math.sin(angle), 0, math.cos(angle)],
        ]
    ).double()
    lift = torch.tensor([[0.0], [0.1 * view], [0.0]]).double()
    pivot = torch.tensor([[0.0], [0.0], [4.0]]).double()
    around = torch.cat([turn, pivot - turn @ pivot], -1)
    return compose(torch.cat([torch.eye(3).double(), lift], -1), around)


def intrinsics_of(kind: PhotoKind) -> Tensor:
    width, height = kind.placement.original_size
    (fx, fy) = kind.focal
    return torch.tensor([[fx, 0, width / 2 + 1], [0, fy, height / 2 - 2], [0, 0, 1]]).double()


def cast(
    pixels: Tensor, intrinsics: Tensor, cam_from_world: Tensor, radial: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """z-depth and world position of what each pixel shows."""
    world_from_cam = invert(cam_from_world)
    in_camera = camera_rays(pixels.reshape(-1, 2), intrinsics, radial)  # z-depth 1
    rays = (in_camera @ world_from_cam[:, :3].T).reshape(*pixels.shape[:-1], 3)
    center = world_from_cam[:, 3]
    wall = (WALL_DISTANCE - center @ WALL_NORMAL) / (rays @ WALL_NORMAL)
    a = (rays * rays).sum(-1)
    b = rays @ (center - SPHERE_CENTER)
    c = ((center - SPHERE_CENTER) ** 2).sum() - SPHERE_RADIUS**2
    hit = b * b - a * c
    sphere = torch.where(hit > 0, (-b - hit.clamp_min(0).sqrt()) / a, torch.inf)
    depth = torch.minimum(wall, sphere)
    return depth, center + rays * depth[..., None]


def color_of(points: Tensor) -> Tensor:
    """A smooth texture in space, uint8 RGB, different on the sphere and the wall."""
    on_sphere = ((points - SPHERE_CENTER).norm(dim=-1) < SPHERE_RADIUS + 1e-6)[..., None]
    waves = torch.sin(points * torch.tensor([1.1, 1.3, 0.9]).double()) * 60
    base = torch.where(on_sphere, torch.tensor([190.0, 90, 70]), torch.tensor([80.0, 120, 180]))
    return (base + waves).round().clamp(0, 255).to(torch.uint8)


def write_photo(
    kind: PhotoKind, cam_from_world: Tensor, folder: Path, radial: Tensor | None = None
) -> Path:
    width, height = kind.placement.original_size
    pixels = pixel_grid(height, width).double()
    _, points = cast(pixels, intrinsics_of(kind), cam_from_world, radial)
    photo, path = Image.fromarray(color_of(points).numpy()), folder / kind.name
    exif = Image.Exif()
    if kind.placement.exif_orientation == 6:  # to be turned clockwise by the viewer
        photo, exif[0x0112] = photo.transpose(Image.Transpose.ROTATE_90), 6
    how = {"lossless": True} if path.suffix == ".webp" else {"quality": 98, "subsampling": 0}
    photo.save(path, exif=exif, **({} if path.suffix == ".png" else how))
    return path


def build_scene(
    folder: Path, num_views: int = 4, photos: bool = True, bent: bool = False
) -> Reconstruction:
    """The scene, and its photos written to ``folder``; ``bent`` ones have lens distortion."""
    kinds = [KINDS[view % len(KINDS)] for view in range(num_views)]
    radial = [
        torch.tensor(RADIAL[view % len(RADIAL)]).double() if bent else None
        for view in range(num_views)
    ]
    kinds = [
        replace(kind, name=kind.name if view < len(KINDS) else f"{view}_{kind.name}")
        for view, kind in enumerate(kinds)
    ]
    poses = torch.stack([camera_looking_at_scene(view, num_views) for view in range(num_views)])
    original = torch.stack([intrinsics_of(kind) for kind in kinds])
    processed = torch.stack(
        [k.placement.intrinsics_to_processed(m) for k, m in zip(kinds, original, strict=True)]
    )
    cast_views = [
        cast(pixel_grid(GRID, GRID).double(), m, p, k)
        for m, p, k in zip(processed, poses, radial, strict=True)
    ]
    depth = torch.stack([view[0] for view in cast_views]).float()
    colors = torch.stack([color_of(view[1]) for view in cast_views])
    mask = torch.stack([kind.placement.content_mask() for kind in kinds])
    generator = torch.Generator().manual_seed(1)
    paths = [
        write_photo(kind, pose, folder, k1) if photos else folder / kind.name
        for kind, pose, k1 in zip(kinds, poses, radial, strict=True)
    ]
    bends = torch.stack([k1.float() for k1 in radial if k1 is not None]) if bent else None
    return Reconstruction(
        names=tuple(kind.name for kind in kinds),
        sources=tuple(map(str, paths)),
        contents=tuple(content_of(path) if photos else None for path in paths),
        placements=tuple(kind.placement for kind in kinds),
        cameras=Cameras(
            poses.float(),
            original.float(),
            torch.tensor([kind.placement.original_size for kind in kinds]),
            bends,
        ),
        colors=torch.where(mask[..., None], colors, 0),
        mask=mask,
        depth=depth,
        points_world=unproject_depth(depth, poses.float(), processed.float(), radial=bends),
        confidence=1 + torch.rand(depth.shape, generator=generator).exp(),
        points_from="depth",
        model="analytic",
        report=Report.from_json({"model": "analytic", "warnings": ["an earlier warning"]}),
    )


def with_tracks(scene: Reconstruction) -> Reconstruction:
    """The same scene with three true tracks, one of them hidden in the last view."""
    pixels = torch.tensor([[100.0, 60.0], [165.5, 118.5], [250.0, 200.0]]).double()
    intrinsics, poses = scene.cameras.intrinsics.double(), scene.cameras.cam_from_world.double()
    _, points = cast(pixels, intrinsics[0], poses[0])
    cameras = torch.einsum("vij,qj->vqi", poses[:, :, :3], points) + poses[:, None, :, 3]
    projected = torch.einsum("vij,vqj->vqi", intrinsics, cameras)
    positions = (projected[..., :2] / projected[..., 2:]).float()
    visibility = torch.ones(positions.shape[:2])
    visibility[-1, 0] = 0.1
    tracks = Tracks(positions, visibility, torch.ones_like(visibility))
    return replace(scene, tracks=tracks, tracked_by="network")


def with_measured_points(
    scene: Reconstruction, num_points: int = 300, noise: float = 0.0
) -> Reconstruction:
    """The same scene with points seen by at least two views, ``noise`` pixels off on average."""
    generator = torch.Generator().manual_seed(0)
    assert scene.points_world is not None
    pool = scene.points_world[scene.mask]
    chosen = torch.randperm(len(pool), generator=generator)[:num_points]
    points, colors = pool[chosen].double(), scene.colors[scene.mask][chosen]
    cameras = scene.cameras
    radial = torch.zeros(len(cameras)) if cameras.radial is None else cameras.radial
    pixels, depth = project_points(
        points.expand(len(cameras), -1, -1),
        cameras.cam_from_world.double(),
        cameras.intrinsics.double(),
        radial.double(),
    )
    pixels = pixels + noise * torch.randn(pixels.shape, generator=generator).double()
    inside = ((pixels > 0) & (pixels < cameras.image_sizes[:, None])).all(-1) & (depth > 0)
    kept = inside.sum(0) >= 2
    views, indices = inside[:, kept].nonzero().unbind(-1)
    at = pixels[:, kept][views, indices]
    return replace(scene, sparse=SparsePoints(points[kept], colors[kept], views, indices, at))


def without_points(scene: Reconstruction) -> Reconstruction:
    """Cameras alone."""
    return replace(scene, depth=None, points_world=None, confidence=None, points_from=None)


def upright_pixels(path: Path) -> np.ndarray:
    """A photo as another tool reads it: without regard to EXIF."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
