"""Batches of photo sets, of the same type as those of drawn scenes, each a function of its number.

A batch is of one set, at one size, with one number of views; the groups in it overlap as
:func:`glance3d.finetuning.data.overlap.draw_group` says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from glance3d.datasets import MultiViewSample
from glance3d.errors import InputError
from glance3d.finetuning.data.overlap import draw_group
from glance3d.finetuning.data.split import SetPart
from glance3d.finetuning.data.tracks import draw_tracks
from glance3d.finetuning.data.views import PhotoSetViews, grid_size
from glance3d.training.data.stream import SampleBatch

_STREAMS = {"train": 0, "validation": 1}


@dataclass(frozen=True)
class StreamOptions:
    """``num_views`` of a group, from and to; pictures of a batch, at most; and their size.

    All batches have as many groups as fit with the most views. ``size_multiple`` is the
    network's patch. ``cameras_only``: no depth, also where it is known.
    """

    num_views: tuple[int, int] = (2, 4)
    images_per_batch: int = 8
    max_pixels: int = 128 * 128
    size_multiple: int = 16
    num_queries: int = 64
    cameras_only: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        low, high = self.num_views
        if not 2 <= low <= high <= self.images_per_batch:
            raise InputError(
                "views of a group must be a range from at least 2 to at most the pictures of a "
                f"batch ({self.images_per_batch}), got {self.num_views}"
            )
        if self.max_pixels < self.size_multiple**2:
            raise InputError(
                f"max_pixels must hold a patch of {self.size_multiple} x {self.size_multiple}, got "
                f"{self.max_pixels}"
            )

    @property
    def num_scenes(self) -> int:
        """Groups of views of a batch."""
        return self.images_per_batch // self.num_views[1]


class PhotoSetScenes:
    """Batches of some sets' photos: ``batch(index)`` is a pure function of seed, split and index.

    Sets are drawn as often as they have photos.

    Raises:
        InputError: a set has no two photos that overlap.
    """

    def __init__(
        self, parts: Sequence[SetPart], options: StreamOptions, seed: int = 0, split: str = "train"
    ) -> None:
        self.parts, self.options = tuple(parts), options
        self._seed, self._split = seed, _STREAMS[split]
        self._most = [part.largest_group(options.num_views[1]) for part in self.parts]
        self._views = [
            PhotoSetViews(
                part.photos,
                grid_size(part.photos, options.max_pixels, options.size_multiple),
                options.cameras_only,
            )
            for part in self.parts
        ]
        counts = np.array([len(part.views) for part in self.parts], dtype=float)
        self._shares = counts / counts.sum()

    def batch(self, index: int) -> MultiViewSample:
        """Batch number ``index``, from 0.

        Raises:
            ImageError: a photo or a depth map cannot be read.
        """
        key = (self._split, index)
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=key))
        chosen = int(rng.choice(len(self.parts), p=self._shares))
        most = self._most[chosen]
        low = min(self.options.num_views[0], most)
        num_views = int(rng.integers(low, most + 1))
        count = self.options.num_scenes
        scenes = [self._scene(chosen, num_views, rng) for _ in range(count)]
        return MultiViewSample(*(torch.stack(parts) for parts in zip(*scenes, strict=True)))

    def _scene(
        self, chosen: int, num_views: int, rng: np.random.Generator
    ) -> tuple[torch.Tensor, ...]:
        """The fields of a sample, in order."""
        part = self.parts[chosen]
        group = draw_group(part.overlap, list(part.views), num_views, rng)
        assert group is not None  # the set has groups so large
        views = [self._views[chosen].view(view) for view in group]
        depth = torch.stack([torch.where(view.keep, view.depth, 0.0) for view in views])
        poses = torch.stack([view.cam_from_world for view in views])
        intrinsics = torch.stack([view.intrinsics for view in views])
        dense = [part.photos.depth_paths[view] is not None for view in group]
        # Sparse points say nothing of what is between them: nothing would be hidden.
        followed = depth if all(dense) else torch.zeros_like(depth)
        queries, tracks, visibility = draw_tracks(
            followed, poses, intrinsics, self.options.num_queries, rng
        )
        images = torch.stack([view.pixels for view in views]).float() / 255
        return images, poses, intrinsics, depth, depth > 0, queries, tracks, visibility


@dataclass(frozen=True)
class PhotoSetSampler:
    """A picklable factory of batches, for the process that samples them."""

    parts: tuple[SetPart, ...]
    options: StreamOptions
    seed: int = 0
    split: str = "train"

    def __call__(self) -> SampleBatch:
        """Build the scenes, and return their ``batch``."""
        return PhotoSetScenes(self.parts, self.options, self.seed, self.split).batch
