"""An endless, deterministic stream of synthetic multi-view samples."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.datasets.sample import MultiViewSample
from glance3d.datasets.synthetic.degrade import photograph
from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.scenes import DRAWS_PER_SCENE, Scenes, draw_scenes
from glance3d.datasets.synthetic.shading import Tiles, render_tiles
from glance3d.datasets.synthetic.textures import TextureAtlas, atlas_from_images, build_atlas
from glance3d.datasets.synthetic.tracks import make_tracks
from glance3d.datasets.synthetic.trajectories import (
    draw_cameras,
    draw_intrinsics,
    origins_in_shapes,
)
from glance3d.errors import ConfigError, InputError
from glance3d.geometry.cameras import pixel_grid
from glance3d.geometry.transforms import invert

#: Every split draws its seeds from its own branch, so that no two share a scene or a texture.
SPLITS = {"train": 0, "validation": 1, "test": 2}

_TILE_RAYS = 1024


@dataclass(frozen=True)
class SyntheticConfig:
    """What the stream yields.

    A batch has one image size and one number of views, drawn anew for every batch. The number of
    scenes follows from ``images_per_batch``, so that all batches cost about the same.
    """

    images_per_batch: int = 64
    num_views: tuple[int, int] = (2, 6)
    max_pixels: int = 128 * 128
    size_multiple: int = 16
    #: Width over height, from and to; drawn uniformly in the logarithm.
    aspect_ratio: tuple[float, float] = (0.5, 2.0)
    #: Of the image's longer side.
    fov_degrees: tuple[float, float] = (25.0, 90.0)
    num_queries: int = 64
    num_textures: int = 192
    texture_size: int = 256

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        low, high = self.num_views
        if not 2 <= low <= high:
            raise ConfigError(f"num_views {self.num_views} must be a range from at least 2")
        if self.images_per_batch < high:
            raise ConfigError(
                f"images_per_batch {self.images_per_batch} must hold a scene of {high} views"
            )
        if self.max_pixels < 4 * self.size_multiple**2:
            raise ConfigError(
                f"max_pixels {self.max_pixels} is less than a few cells of {self.size_multiple} pixels"
            )
        if not 0 < self.aspect_ratio[0] <= self.aspect_ratio[1]:
            raise ConfigError(f"aspect_ratio {self.aspect_ratio} must be a range above 0")
        if not 5 <= self.fov_degrees[0] <= self.fov_degrees[1] <= 130:
            raise ConfigError(f"fov_degrees {self.fov_degrees} must be a range within 5 to 130")
        if not 1 <= self.num_queries <= 512:
            raise ConfigError(f"num_queries {self.num_queries} must be from 1 to 512")


class SyntheticScenes:
    """Batches of synthetic scenes, each made by itself from (seed, split, index).

    ``batch(index)`` is a pure function on a given kind of device, so that training resumes where it
    stopped and workers share the stream by taking every n-th index. ``textures``, bytes of shape
    (count, size, size, 3), replaces the procedural ones. ``compiled`` fuses the ray caster with
    ``torch.compile`` (half a minute once; the same pictures to rounding).
    """

    def __init__(
        self,
        config: SyntheticConfig | None = None,
        seed: int = 0,
        *,
        split: str = "train",
        device: torch.device | str = "cpu",
        textures: np.ndarray | Tensor | None = None,
        compiled: bool = False,
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"split {split!r} came; wanted one of {', '.join(SPLITS)}")
        self.config = config or SyntheticConfig()
        self.seed, self.split, self.device = seed, split, torch.device(device)
        texture_seed = self._seeds(-1)[0]
        atlas = (
            build_atlas(texture_seed, self.config.num_textures, self.config.texture_size)
            if textures is None
            else atlas_from_images(textures, texture_seed)
        )
        self.atlas: TextureAtlas = atlas.to(self.device)
        self._render = torch.compile(render_tiles, dynamic=False) if compiled else render_tiles
        self._tiles_at_once = 64 if self.device.type == "cpu" else 2048

    def __iter__(self) -> Iterator[MultiViewSample]:
        """All batches from the first one, without end."""
        return self.batches()

    def batches(self, start: int = 0, step: int = 1) -> Iterator[MultiViewSample]:
        """Batches ``start``, ``start + step`` and so on, without end."""
        while True:
            yield self.batch(start)
            start += step

    def _seeds(self, index: int) -> list[int]:
        key = (SPLITS[self.split], index + 1)
        state = np.random.SeedSequence(self.seed, spawn_key=key).generate_state(3, np.uint64)
        return [int(word >> np.uint64(1)) for word in state]

    def shape(self, index: int) -> tuple[int, int, int, int]:
        """Number of scenes, number of views, height and width of a batch."""
        config, rng = self.config, np.random.default_rng(self._seeds(index)[0])
        views = int(rng.integers(config.num_views[0], config.num_views[1] + 1))
        aspect = float(np.exp(rng.uniform(*np.log(config.aspect_ratio))))
        cell = config.size_multiple
        width = max(1, round((config.max_pixels * aspect) ** 0.5 / cell)) * cell
        height = max(1, int(config.max_pixels / width / cell)) * cell
        return config.images_per_batch // views, views, height, width

    @torch.no_grad()
    def batch(self, index: int) -> MultiViewSample:
        """Batch number ``index``, from 0."""
        scenes_count, views, height, width = self.shape(index)
        _, draw_seed, noise_seed = self._seeds(index)
        draws = Draws(draw_seed, scenes_count, DRAWS_PER_SCENE, self.device)
        scenes, layout = draw_scenes(draws, self.atlas.num_textures)
        intrinsics = draw_intrinsics(draws, views, height, width, self.config.fov_degrees)
        cameras = draw_cameras(draws, scenes, layout, intrinsics, (height, width))
        linear, depth, valid = self._render_views(scenes, cameras, intrinsics, height, width)
        images = photograph(draws, linear, valid, noise_seed)
        queries, tracks, seen = make_tracks(
            draws, scenes, images[:, 0], valid[:, 0], cameras, intrinsics, self.config.num_queries
        )
        return MultiViewSample(images, cameras, intrinsics, depth, valid, queries, tracks, seen)

    def _render_views(
        self,
        scenes: Scenes,
        cameras: Float[Tensor, "scenes views 3 4"],
        intrinsics: Float[Tensor, "scenes views 3 3"],
        height: int,
        width: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Linear RGB, depth and validity of every view.

        Rays are cut into tiles of one camera each and rendered a fixed number of tiles at a time: the
        compiled kernel sees one shape whatever the images' size.
        """
        batch, views = cameras.shape[:2]
        per_view = -(-height * width // _TILE_RAYS)
        padded = per_view * _TILE_RAYS
        pixels = pixel_grid(height, width, device=self.device).flatten(0, 1)
        pixels = torch.cat([pixels, pixels[-1:].expand(padded - len(pixels), 2)])
        world_from_cam = invert(cameras.flatten(0, 1))
        scene_of_view = torch.arange(batch, device=self.device).repeat_interleave(views)
        shapes = scenes.local_from_world[scene_of_view]
        focal = intrinsics.flatten(0, 1)[:, 0, 0]
        by_view = Tiles(
            world_from_cam=world_from_cam[..., :3],
            center=world_from_cam[..., 3],
            pixel_angle=1 / focal,
            local_center=origins_in_shapes(shapes, world_from_cam[..., 3]),
            local_light=origins_in_shapes(shapes, scenes.light[scene_of_view]),
            local_from_world=shapes[..., :3],
            half_size=scenes.half_size[scene_of_view],
            materials=scenes.materials[scene_of_view],
            sky_faces=scenes.sky_faces[scene_of_view],
            light=scenes.light[scene_of_view],
            light_color=scenes.light_color[scene_of_view],
            ambient=scenes.ambient[scene_of_view],
        )
        middle = pixels.new_tensor([width / 2, height / 2])
        tiles_of_pixels = (pixels - middle).reshape(per_view, _TILE_RAYS, 2)
        total = batch * views * per_view
        rgb = linear_out = torch.empty(total, 3, _TILE_RAYS, device=self.device)
        depth = torch.empty(total, _TILE_RAYS, device=self.device)
        valid = torch.empty(total, _TILE_RAYS, dtype=torch.bool, device=self.device)
        for start in range(0, total, self._tiles_at_once):
            number = torch.arange(start, start + self._tiles_at_once, device=self.device)
            view = (number.clamp(max=total - 1)) // per_view
            tiles = Tiles(*(part[view] for part in by_view))
            xy = tiles_of_pixels[number % per_view] / focal[view][:, None, None]
            color, z, solid = self._render(
                tiles, xy[..., 0].contiguous(), xy[..., 1].contiguous(), self.atlas
            )
            count = min(self._tiles_at_once, total - start)
            rgb[start : start + count] = color[:count]
            depth[start : start + count] = z[:count]
            valid[start : start + count] = solid[:count]
        color = linear_out.unflatten(0, (batch, views, per_view)).transpose(2, 3)
        keep = height * width

        def image(flat: Tensor) -> Tensor:
            return flat.reshape(batch, views, padded)[..., :keep].unflatten(-1, (height, width))

        color = color.reshape(batch, views, 3, padded)[..., :keep].unflatten(-1, (height, width))
        return color, image(depth), image(valid)
