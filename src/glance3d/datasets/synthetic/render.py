"""Whole views through the ray caster, a fixed number of rays at a time."""

from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.datasets.synthetic.appearance.shading import Tiles, render_tiles
from glance3d.datasets.synthetic.appearance.textures import TextureAtlas
from glance3d.datasets.synthetic.scenes import Scenes
from glance3d.datasets.synthetic.visibility import origins_in_shapes
from glance3d.geometry.cameras import pixel_grid
from glance3d.geometry.transforms import invert
from glance3d.nn.fast.operations import PLAIN, RENDERING
from glance3d.nn.fast.paths import choose
from glance3d.nn.fast.trial import Trial

#: Rays of one camera that are cast together.
_TILE_RAYS = 1024
#: Tiles of one call: on a CPU as many as fit its cache, on a GPU as many as use all of it.
_TILES_ON_CPU, _TILES_ON_GPU = 64, 1024


def _tiles_by_view(
    scenes: Scenes,
    cam_from_world: Float[Tensor, "scenes views 3 4"],
    intrinsics: Float[Tensor, "scenes views 3 3"],
) -> Tiles:
    """The inputs of the rays of every view."""
    batch, views = cam_from_world.shape[:2]
    world_from_cam = invert(cam_from_world.flatten(0, 1))
    scene = torch.arange(batch, device=cam_from_world.device).repeat_interleave(
        views, output_size=batch * views
    )
    shapes, center = scenes.local_from_world[scene], world_from_cam[..., 3]
    return Tiles(
        world_from_cam=world_from_cam[..., :3],
        center=center,
        pixel_angle=1 / intrinsics.flatten(0, 1)[:, 0, 0],
        local_center=origins_in_shapes(shapes, center),
        local_light=origins_in_shapes(shapes, scenes.light[scene]),
        local_from_world=shapes[..., :3],
        half_size=scenes.half_size[scene],
        materials=scenes.materials[scene],
        sky_faces=scenes.sky_faces[scene],
        light=scenes.light[scene],
        light_color=scenes.light_color[scene],
        ambient=scenes.ambient[scene],
    )


class Renderer:
    """Renders views of any size by a kernel whose inputs always have the same shape.

    Every view's pixels are cut into tiles (the last one is padded) and a fixed number of tiles is
    rendered at a time, so that ``compiled`` compiles once. If that fails, or gives other pictures,
    or is no faster, the kernel is used uncompiled.
    """

    def __init__(self, atlas: TextureAtlas, device: torch.device, compiled: bool = False) -> None:
        self.atlas, self.device = atlas.to(device), device
        self._at_once = _TILES_ON_CPU if device.type == "cpu" else _TILES_ON_GPU
        self._compiled = torch.compile(render_tiles, dynamic=False) if compiled else None

    def __call__(
        self,
        scenes: Scenes,
        cam_from_world: Float[Tensor, "scenes views 3 4"],
        intrinsics: Float[Tensor, "scenes views 3 3"],
        size: tuple[int, int],
    ) -> tuple[
        Float[Tensor, "scenes views 3 height width"],
        Float[Tensor, "scenes views height width"],
        Bool[Tensor, "scenes views height width"],
    ]:
        """Linear RGB, z-depth and where there is a surface; ``size`` is (height, width)."""
        by_view = _tiles_by_view(scenes, cam_from_world, intrinsics)
        offsets = self._pixel_tiles(*size)
        batch, views = cam_from_world.shape[:2]
        total = batch * views * len(offsets)
        # Only whole calls: the padding of the last one is dropped.
        room = -(-total // self._at_once) * self._at_once
        rgb = torch.empty(room, 3, _TILE_RAYS, device=self.device)
        depth = torch.empty(room, _TILE_RAYS, device=self.device)
        solid = torch.empty(room, _TILE_RAYS, dtype=torch.bool, device=self.device)
        for start in range(0, room, self._at_once):
            part = slice(start, start + self._at_once)
            tile = torch.arange(start, part.stop, device=self.device).clamp(max=total - 1)
            tiles = Tiles(*(field[tile // len(offsets)] for field in by_view))
            xy = offsets[tile % len(offsets)] * tiles.pixel_angle[:, None, None]
            x, y = xy.permute(2, 0, 1).contiguous()
            rgb[part], depth[part], solid[part] = self._render(tiles, x, y)

        def views_of(rays: Tensor) -> Tensor:
            tiled = rays[:total].unflatten(0, (batch, views, len(offsets))).movedim(2, -2)
            pixels = tiled.flatten(-2)[..., : size[0] * size[1]]
            return pixels.unflatten(-1, size).contiguous()

        return views_of(rgb), views_of(depth), views_of(solid)

    def _render(self, tiles: Tiles, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Render by the compiled kernel if it is wanted and passed its check on the first tiles."""
        if self._compiled is None:
            return render_tiles(tiles, x, y, self.atlas)
        ways = {PLAIN: render_tiles, "compile": self._compiled}

        def summary(path: str) -> tuple[Tensor, Tensor]:  # a ray along a silhouette may tip over
            rgb, _, solid = ways[path](tiles, x, y, self.atlas)
            return rgb.mean(-1), solid.float().mean(-1)

        def trial() -> Trial:
            return {path: partial(summary, path) for path in ways}

        path = choose(RENDERING, "tiles of rays", self.device, torch.float32, trial)
        return ways[path](tiles, x, y, self.atlas)

    def _pixel_tiles(self, height: int, width: int) -> Float[Tensor, "tiles rays 2"]:
        """Pixels relative to the image centre, in tiles; the last one repeats its last pixel."""
        pixels = pixel_grid(height, width, device=self.device).flatten(0, 1)
        missing = -len(pixels) % _TILE_RAYS
        pixels = torch.cat([pixels, pixels[-1:].expand(missing, 2)])
        x, y = pixels[:, 0] - width / 2, pixels[:, 1] - height / 2
        return torch.stack([x, y], -1).unflatten(0, (-1, _TILE_RAYS))
