"""An endless, deterministic stream of synthetic multi-view samples."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glance3d.datasets.sample import MultiViewSample
from glance3d.datasets.synthetic.appearance.degrade import photograph
from glance3d.datasets.synthetic.appearance.textures import (
    NUM_SKIES,
    atlas_from_images,
    build_atlas,
)
from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.places import TruePlaces, find_places
from glance3d.datasets.synthetic.render import Renderer
from glance3d.datasets.synthetic.scenes import DRAWS_PER_SCENE, draw_scenes
from glance3d.datasets.synthetic.tracks import make_tracks
from glance3d.datasets.synthetic.trajectories import draw_cameras, draw_intrinsics
from glance3d.errors import ConfigError, InputError

#: Every split draws its seeds from its own branch, so that no two share a scene or a texture.
SPLITS = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class SyntheticConfig:
    """Settings of the stream.

    A batch has one image size and one number of views, drawn anew for every batch. The number of
    scenes follows from ``images_per_batch``, so that all batches cost about the same.
    """

    images_per_batch: int = 64
    num_views: tuple[int, int] = (2, 6)
    max_pixels: int = 128 * 128
    #: Factors on ``max_pixels``, one for each batch, drawn uniformly; the number of pictures is
    #: divided by it.
    area_factors: tuple[int, ...] = (1,)
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
            raise ConfigError(f"num_views must be a range from at least 2, got {self.num_views}")
        if not self.area_factors or min(self.area_factors) < 1:
            raise ConfigError(f"area_factors must be some numbers from 1, got {self.area_factors}")
        fewest = self.images_per_batch // max(self.area_factors)
        if fewest < high:
            raise ConfigError(
                f"images_per_batch, over the largest of area_factors {self.area_factors}, must "
                f"hold a scene of {high} views, got {self.images_per_batch}"
            )
        if not 0 < self.aspect_ratio[0] <= self.aspect_ratio[1]:
            raise ConfigError(f"aspect_ratio must be a range above 0, got {self.aspect_ratio}")
        if not 5 <= self.fov_degrees[0] <= self.fov_degrees[1] <= 130:
            raise ConfigError(
                f"fov_degrees must be a range within 5 to 130, got {self.fov_degrees}"
            )
        if not 1 <= self.num_queries <= 512:
            raise ConfigError(f"num_queries must be from 1 to 512, got {self.num_queries}")
        if self.num_textures <= NUM_SKIES:
            raise ConfigError(f"num_textures must be above {NUM_SKIES}, got {self.num_textures}")
        if self.texture_size < 64 or self.texture_size & (self.texture_size - 1):
            raise ConfigError(
                f"texture_size must be a power of two from 64, got {self.texture_size}"
            )
        if not self.image_sizes():
            raise ConfigError(
                "max_pixels must allow an image whose sides are multiples of "
                f"{self.size_multiple} and whose aspect_ratio is within {self.aspect_ratio}, got "
                f"{self.max_pixels}"
            )

    def image_sizes(self, area_factor: int = 1) -> list[tuple[int, int]]:
        """Every (height, width) that may be drawn: at most ``max_pixels``, at least 3/4 of it."""
        cell, most = self.size_multiple, area_factor * self.max_pixels // self.size_multiple**2
        low, high = self.aspect_ratio[0] * (1 - 1e-6), self.aspect_ratio[1] * (1 + 1e-6)
        return [
            (rows * cell, columns * cell)
            for columns in range(1, most + 1)
            for rows in range(1, most // columns + 1)
            if rows * columns >= 0.75 * most and low <= columns / rows <= high
        ]


def part_of_scenes(num_scenes: int, part: int, num_parts: int) -> slice:
    """Part number ``part`` of a batch's scenes, as even as can be; earlier parts have one more.

    Raises:
        InputError: there are fewer scenes than parts.
    """
    if num_scenes < num_parts:
        raise InputError(
            f"a batch of {num_scenes} scenes cannot be shared by {num_parts} processes: start "
            "fewer, or give it more pictures (--images)"
        )
    each, rest = divmod(num_scenes, num_parts)
    start = part * each + min(part, rest)
    return slice(start, start + each + (part < rest))


class SyntheticScenes:
    """Batches of synthetic scenes, each a function of (seed, split, index) alone.

    ``batch(index)`` is a pure function on a given kind of device, so that training resumes where it
    stopped and workers share the stream by taking every n-th index. ``textures``, bytes of shape
    (count, size, size, 3), replaces the procedural ones. ``compiled`` fuses the ray caster with
    ``torch.compile``: half a minute once, then the same pictures to rounding, twice as fast.
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
            raise InputError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        self.config = config or SyntheticConfig()
        self.seed, self.split, self.device = seed, split, torch.device(device)
        texture_seed = self._seeds(-1)[0]
        if textures is None:
            atlas = build_atlas(texture_seed, self.config.num_textures, self.config.texture_size)
        else:
            atlas = atlas_from_images(textures, texture_seed)
        self._num_textures = atlas.num_textures
        self._render = Renderer(atlas, self.device, compiled)

    def __iter__(self) -> Iterator[MultiViewSample]:
        """All batches from the first one, without end."""
        return self.batches()

    def batches(self, start: int = 0, step: int = 1) -> Iterator[MultiViewSample]:
        """Batches ``start``, ``start + step`` and so on, without end."""
        while True:
            yield self.batch(start)
            start += step

    def shape(self, index: int) -> tuple[int, int, int, int]:
        """Number of scenes, number of views, height and width of a batch."""
        config, rng = self.config, np.random.default_rng(self._seeds(index)[0])
        views = int(rng.integers(config.num_views[0], config.num_views[1] + 1))
        wanted = rng.uniform(*np.log(config.aspect_ratio))
        factor = int(rng.choice(config.area_factors))

        def misfit(size: tuple[int, int]) -> float:
            small = 1 - size[0] * size[1] / (factor * config.max_pixels)
            return abs(math.log(size[1] / size[0]) - wanted) + 0.5 * small

        height, width = min(config.image_sizes(factor), key=misfit)
        return config.images_per_batch // factor // views, views, height, width

    @torch.no_grad()
    def batch(self, index: int, part: int = 0, num_parts: int = 1) -> MultiViewSample:
        """Batch number ``index``, from 0, or only part number ``part`` of its scenes.

        Raises:
            InputError: There is no such batch, or it has fewer scenes than parts.
        """
        if index < 0:
            raise InputError(f"a batch's index must be at least 0, got {index}")
        num_scenes, num_views, *size = self.shape(index)
        height, width = size
        _, draw_seed, noise_seed = self._seeds(index)
        own = part_of_scenes(num_scenes, part, num_parts)
        draws = Draws(draw_seed, num_scenes, DRAWS_PER_SCENE, self.device, own)
        scenes, layout = draw_scenes(draws, self._num_textures)
        intrinsics = draw_intrinsics(draws, num_views, height, width, self.config.fov_degrees)
        cameras = draw_cameras(draws, scenes, layout, intrinsics, (height, width))
        linear, depth, valid = self._render(scenes, cameras, intrinsics, (height, width))
        images = photograph(draws, linear, noise_seed, num_scenes, own)
        queries, tracks, visibility = make_tracks(
            draws, scenes, images[:, 0], valid[:, 0], cameras, intrinsics, self.config.num_queries
        )
        return MultiViewSample(
            images, cameras, intrinsics, depth, valid, queries, tracks, visibility
        )

    @torch.no_grad()
    def places(self, index: int, cell: int) -> TruePlaces:
        """Where the cells of batch ``index``'s views are in its other views; nothing is rendered.

        Cells are squares of ``cell`` pixels. The scenes and cameras are those of :meth:`batch`.
        """
        num_scenes, num_views, *size = self.shape(index)
        height, width = size
        draws = Draws(self._seeds(index)[1], num_scenes, DRAWS_PER_SCENE, self.device)
        scenes, layout = draw_scenes(draws, self._num_textures)
        intrinsics = draw_intrinsics(draws, num_views, height, width, self.config.fov_degrees)
        cameras = draw_cameras(draws, scenes, layout, intrinsics, (height, width))
        return find_places(scenes, cameras, intrinsics, (height, width), cell)

    def _seeds(self, index: int) -> list[int]:
        """Independent seeds for a batch's shape, draws and noise; index -1 is the textures'."""
        key = (SPLITS[self.split], index + 1)
        state = np.random.SeedSequence(self.seed, spawn_key=key).generate_state(3, np.uint64)
        return [int(word >> np.uint64(1)) for word in state]
