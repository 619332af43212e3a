"""Draw photo sets with true cameras and depth, to measure on where no real photos are at hand.

    python scripts/build_photo_sets.py --out photo_sets [--textures FOLDER] [--only facade video]
    glance3d evaluate photo_sets/* --refine --densify --baselines colmap

Each set imitates one way in which people take photos: a house front, an exhibit on black, photos of
one place from many cameras, a walk with a video camera, a phone held upright, a stereo pair. The
scenes are those of ``glance3d.datasets.synthetic`` at full size; every folder has the layout that
``glance3d evaluate`` reads.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from glance3d.datasets.synthetic.appearance.degrade import photograph
from glance3d.datasets.synthetic.appearance.textures import (
    TextureAtlas,
    atlas_from_images,
    build_atlas,
)
from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.layouts import Layout, facade, room, table
from glance3d.datasets.synthetic.render import Renderer
from glance3d.datasets.synthetic.scenes import DRAWS_PER_SCENE, Scenes, draw_scenes
from glance3d.datasets.synthetic.trajectories import look_at
from glance3d.files.atomic import save_json
from glance3d.training.data.sample_batch import load_textures

TEXTURE_SIZE, NUM_TEXTURES = 512, 96
ATTEMPTS, PREVIEW = 30, 8
DEPTH_STEPS = 60_000  # of 16 bits


@dataclass(frozen=True)
class Kind:
    """A way of taking photos.

    ``sizes`` are (width, height), taken in turn; ``fov`` the range of the longer side's field of
    view in degrees, each photo's own unless it is one value. The cameras stand on an arc of
    ``arc`` degrees about what is looked at, at ``distance`` times the distance that just shows it;
    ``slide`` moves them sideways as well, by that share of twice the distance. They look down by
    ``elevation`` degrees, and hands are ``shaking`` by about so many radians. ``shift`` moves the
    second photo's principal point by so many pixels, as rectified pairs have it.
    """

    name: str
    about: str
    layout: Callable[[Draws], Layout]
    num_views: int
    sizes: tuple[tuple[int, int], ...]
    fov: tuple[float, float]
    arc: float = 0.0
    distance: float = 1.0
    slide: float = 0.0
    elevation: float = 12.0
    shaking: float = 0.05
    black: bool = False
    shift: int = 0


MANY_SIZES = (
    (768, 512), (576, 768), (700, 525), (640, 480), (512, 768), (768, 432), (600, 600)
)  # fmt: skip
KINDS = (
    Kind(
        "facade", "a house front, walked along", facade, 12, ((512, 768),), (58, 58),
        arc=60, distance=1.8, elevation=4,
    ),
    Kind(
        "exhibit", "half around an object on black", table, 16, ((640, 480),), (45, 45),
        arc=160, distance=2.0, black=True,
    ),
    Kind(
        "internet", "one place, many cameras", facade, 14, MANY_SIZES, (32, 72),
        arc=70, distance=1.8, elevation=6, shaking=0.1,
    ),
    Kind(
        "video", "a walk indoors", room, 20, ((640, 480),), (65, 65),
        arc=35, distance=0.9, slide=0.35,
    ),
    Kind("portrait", "a phone held upright", table, 12, ((480, 640),), (66, 66), arc=75),
    Kind(
        "stereo", "a rectified pair", room, 2, ((740, 500),), (41, 41),
        slide=0.035, shaking=0, shift=30,
    ),
)  # fmt: skip


def place_cameras(kind: Kind, layout: Layout, fov: Tensor, noise: torch.Generator) -> Tensor:
    """``cam_from_world`` of all views; angles in radians."""
    count = kind.num_views
    along = torch.linspace(-0.5, 0.5, count) if count > 1 else torch.zeros(1)
    extent, focus = float(layout.extent), layout.focus[0]
    reach = kind.distance * extent / torch.tan(fov / 2).clamp(0.3, 0.9)
    shake = kind.shaking * torch.randn(count, 5, generator=noise)
    azimuth = float(layout.azimuth[0, 0]) + math.radians(kind.arc) * along + 0.5 * shake[:, 0]
    elevation = math.radians(kind.elevation) + shake[:, 1]
    away = torch.stack(
        [azimuth.cos() * elevation.cos(), azimuth.sin() * elevation.cos(), elevation.sin()], -1
    )
    sideways = torch.stack([-azimuth.sin(), azimuth.cos(), 0 * azimuth], -1)
    slide = kind.slide * along[:, None] * reach.mean() * 2
    eye = focus + away * (reach * (1 + 0.5 * shake[:, 2]))[:, None] + slide * sideways
    aim = focus + slide * sideways * (0.4 if kind.shaking else 1.0)
    aim = aim + extent * (shake[:, 3, None] * sideways + shake[:, 4, None] * torch.eye(3)[2])
    half = layout.room_half[0]
    low, high = torch.stack([-0.93 * half[0], -0.93 * half[1], 0.1 * half[2]]), 0.93 * half
    inside = torch.maximum(torch.minimum(eye, high * torch.tensor([1.0, 1.0, 2.0])), low)
    # Those that move exactly sideways go back into the room together.
    if kind.shaking:
        eye = inside
    else:
        eye, aim = eye + (inside - eye).mean(0), aim + (inside - eye).mean(0)
    return look_at(eye, aim - eye, shake[:, 4])


def intrinsics_of(width: int, height: int, fov: float, shift: int = 0) -> Tensor:
    """A centred pinhole, or one that looks ``shift`` pixels beside its centre."""
    focal = max(width, height) / 2 / math.tan(fov / 2)
    return torch.tensor(
        [[focal, 0, width / 2 + shift], [0, focal, height / 2], [0, 0, 1]], dtype=torch.float32
    )


def paint_black(scenes: Scenes) -> Scenes:
    """The room's walls, floor and ceiling as a black void."""
    materials = scenes.materials.clone()
    materials[:, -6:, 5:] = 0.0
    return scenes._replace(materials=materials, sky_faces=torch.ones_like(scenes.sky_faces))


@dataclass(frozen=True)
class Shot:
    """One photo's size and camera; what is rendered may be wider than what is kept."""

    size: tuple[int, int]
    fov: float
    pose: Tensor
    shift: int = 0

    def render(self, renderer: Renderer, scenes: Scenes, step: int = 1) -> tuple[Tensor, Tensor]:
        """Linear colours ``[3, height, width]`` and depth, 0 where there is none."""
        width, height = self.size[0] // step, self.size[1] // step
        room = abs(self.shift) // step
        matrix = intrinsics_of(width, height, self.fov)
        matrix[0, 2] += room
        seen = width + 2 * room, height
        linear, depth, valid = renderer(
            scenes, self.pose[None, None], matrix[None, None], (seen[1], seen[0])
        )
        first = room - self.shift // step
        part = slice(first, first + width)
        return linear[0, 0, :, :, part], torch.where(valid, depth, 0.0)[0, 0, :, part]


def draw_shots(
    kind: Kind, renderer: Renderer, num_textures: int, seed: int
) -> tuple[Scenes, list[Shot]]:
    """The first of many attempts in which every camera sees something and none is walled in."""
    best: tuple[float, Scenes, list[Shot]] | None = None
    for attempt in range(ATTEMPTS):
        draws = Draws(seed * ATTEMPTS + attempt, 1, DRAWS_PER_SCENE, torch.device("cpu"))
        scenes, layout = draw_scenes(draws, num_textures, kind.layout)
        scenes = paint_black(scenes) if kind.black else scenes
        noise = torch.Generator().manual_seed(seed * ATTEMPTS + attempt)
        low, high = (math.radians(angle) for angle in kind.fov)
        fov = low + (high - low) * torch.rand(kind.num_views, generator=noise)
        poses = place_cameras(kind, layout, fov, noise)
        shots = [
            Shot(size, float(fov[view]), poses[view], kind.shift * (view == 1))
            for view, size in zip(range(kind.num_views), cycle(kind.sizes))
        ]
        worst = min(_worth(shot, renderer, scenes, float(layout.extent)) for shot in shots)
        if best is None or worst > best[0]:
            best = worst, scenes, shots
        if worst > 1:
            break
    assert best is not None
    return best[1], best[2]


def _worth(shot: Shot, renderer: Renderer, scenes: Scenes, extent: float) -> float:
    """Above 1: a tenth of the pixels show something, and nothing is right before the lens."""
    _, depth = shot.render(renderer, scenes, PREVIEW)
    seen = depth[depth > 0]
    if len(seen) < 10:
        return 0.0
    return min(10 * len(seen) / depth.numel(), 4 * float(seen.quantile(0.02)) / extent, 1.5)


def save_set(kind: Kind, folder: Path, renderer: Renderer, num_textures: int, seed: int) -> None:
    """Render and write one set."""
    scenes, shots = draw_shots(kind, renderer, num_textures, seed)
    views, maps = [], []
    for directory in ("images", "depth"):
        (folder / directory).mkdir(parents=True, exist_ok=True)
    for number, shot in enumerate(shots):
        linear, depth = shot.render(renderer, scenes)
        # Each photo is exposed by itself, as a camera does it.
        draws = Draws(seed * 1000 + number, 1, 100, torch.device("cpu"))
        picture = photograph(draws, linear[None, None], seed * 1000 + number)[0, 0]
        pixels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
        name = f"{number:03d}"
        Image.fromarray(pixels).save(folder / "images" / f"{name}.jpg", quality=93)
        maps.append(depth.numpy())
        views.append(
            {
                "image": f"images/{name}.jpg",
                "size": list(shot.size),
                "intrinsics": intrinsics_of(*shot.size, shot.fov, shot.shift).tolist(),
                "cam_from_world": shot.pose.tolist(),
                "depth": f"depth/{name}.png",
            }
        )
    scale = max(float(depth.max()) for depth in maps) / DEPTH_STEPS
    for view, depth in zip(views, maps, strict=True):
        Image.fromarray((depth / scale).round().astype(np.uint16)).save(folder / view["depth"])
    record = {
        "name": folder.name,
        "about": f"drawn: {kind.about}",
        "units": "metre",
        "metric": True,
    }
    save_json(folder / "cameras.json", {**record, "depth_scale": scale, "views": views})


def load_atlas(folder: Path | None, seed: int) -> TextureAtlas:
    """Pictures of a folder, or procedural patterns."""
    if folder is None:
        return build_atlas(seed, NUM_TEXTURES, TEXTURE_SIZE)
    return atlas_from_images(load_textures(folder, TEXTURE_SIZE), seed)


def smaller(kind: Kind, share: float) -> Kind:
    """The same with photos of this share of the size."""
    sizes = tuple((round(w * share), round(h * share)) for w, h in kind.sizes)
    return replace(kind, sizes=sizes, shift=round(kind.shift * share))


def main(words: list[str] | None = None) -> None:
    """Draw and write the sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--textures", type=Path, help="a folder of square pictures")
    parser.add_argument("--only", nargs="*", choices=[kind.name for kind in KINDS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=float, default=1.0, help="of the photos, as a share")
    options = parser.parse_args(words)
    atlas = load_atlas(options.textures, options.seed)
    renderer = Renderer(atlas, torch.device("cpu"))
    for number, kind in enumerate(KINDS):
        if options.only and kind.name not in options.only:
            continue
        folder = options.out / f"{kind.name}_{options.seed}"
        seed = options.seed * len(KINDS) + number
        save_set(smaller(kind, options.size), folder, renderer, atlas.num_textures, seed)
        print(folder)


if __name__ == "__main__":
    main()
