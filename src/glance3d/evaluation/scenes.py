"""Scenes to evaluate on: the truth in original pixels, and the images that a network sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.datasets import MultiViewSample, SyntheticConfig, SyntheticScenes
from glance3d.errors import ImageError, InputError
from glance3d.images import Preprocessing, load_images
from glance3d.photo_sets import PhotoSet, load_photo_set
from glance3d.types import Cameras, ImageBatch, PhotoMask, Placement

MAX_VIEWS = 32


@dataclass(frozen=True)
class TrueTracks:
    """True positions of points of the first view, in original pixels, and their visibility."""

    positions: Float[Tensor, "views queries 2"]
    visibility: Bool[Tensor, "views queries"]


@dataclass(frozen=True)
class EvaluationScene:
    """One scene: what the network sees, and the truth for the original photos.

    ``depth`` has a map in original pixels for each view, 0 where unknown, or None. Without
    ``has_photos`` the network's images were rendered and have no files. ``tracks`` are None if they
    are unknown.
    """

    name: str
    batch: ImageBatch
    cameras: Cameras
    depth: tuple[Float[Tensor, "_height _width"] | None, ...]
    has_photos: bool = True
    tracks: TrueTracks | None = None

    def of_views(self, views: Sequence[int], name: str) -> "EvaluationScene":
        """Only these views, in this order, under another name; without tracks."""
        return replace(
            self,
            name=name,
            batch=self.batch.of_views(views),
            cameras=self.cameras.of_views(views),
            depth=tuple(self.depth[view] for view in views),
            tracks=None,
        )


@dataclass(frozen=True)
class EvaluationSet:
    """Scenes whose scores are averaged; ``about`` describes them."""

    name: str
    scenes: tuple[EvaluationScene, ...]
    about: str

    def in_windows(self, size: int) -> "EvaluationSet":
        """Every ``size`` neighbouring views of each scene, half a window apart, as its scenes.

        They measure scenes of few photos, and the mean over many scenes is less noisy. Scenes with
        at most ``size`` views are left out.
        """
        if size < 2:
            raise InputError(f"a window of poses needs at least 2 views, got {size}")
        windows = tuple(
            scene.of_views(range(start, start + size), f"{scene.name} {start:03d}")
            for scene in self.scenes
            if len(scene.cameras) > size
            for start in range(0, len(scene.cameras) - size + 1, size // 2)
        )
        about = f"{self.about}, {len(windows)} times {size} neighbours"
        return EvaluationSet(f"{self.name} by {size}", windows, about)


def synthetic_set(
    config: SyntheticConfig | None = None,
    num_scenes: int = 64,
    seed: int = 0,
    split: str = "test",
    preprocessing: Preprocessing | None = None,
) -> EvaluationSet:
    """Fresh synthetic scenes; the test split shares no seed or texture with training.

    With ``preprocessing`` their pictures are made ready as photos of that size are, small ones
    enlarged; without, a network sees them as they were drawn, as in training.
    """
    stream = SyntheticScenes(config, seed, split=split)
    scenes: list[EvaluationScene] = []
    for sample in stream:
        scenes += _scenes_of_sample(sample, first_number=len(scenes))
        if len(scenes) >= num_scenes:
            break
    scenes = scenes[:num_scenes]
    if preprocessing is not None:
        scenes = [replace(scene, batch=_as_photos(scene.batch, preprocessing)) for scene in scenes]
    pixels = stream.config.max_pixels * max(stream.config.area_factors)
    about = f"{num_scenes} synthetic scenes, {split} split, seed {seed}, at most {pixels:,} pixels"
    return EvaluationSet("synthetic", tuple(scenes), about)


def _as_photos(batch: ImageBatch, preprocessing: Preprocessing) -> ImageBatch:
    """Drawn pictures as the network's images, made ready as photos are."""
    pictures = (255 * batch.images).round().byte().movedim(1, -1).numpy()
    return replace(load_images(list(pictures), preprocessing), names=batch.names)


def _scenes_of_sample(sample: MultiViewSample, first_number: int) -> Iterator[EvaluationScene]:
    num_scenes, num_views, _, height, width = sample.images.shape
    placements = (Placement((width, height), (width, height)),) * num_views
    names = tuple(f"view_{view:03d}.png" for view in range(num_views))
    sizes = torch.tensor([[width, height]] * num_views)
    for index in range(num_scenes):
        depth = torch.where(sample.valid[index], sample.depth[index], 0.0)
        yield EvaluationScene(
            name=f"{first_number + index:04d}",
            batch=ImageBatch(sample.images[index], names, names, placements),
            cameras=Cameras(sample.cam_from_world[index], sample.intrinsics[index], sizes),
            depth=tuple(depth),
            has_photos=False,
            tracks=_tracks_of(sample, index),
        )


def _tracks_of(sample: MultiViewSample, index: int) -> TrueTracks | None:
    if sample.tracks is None or sample.visibility is None:
        return None
    return TrueTracks(sample.tracks[index], sample.visibility[index])


def photo_set(
    folder: str | Path, preprocessing: Preprocessing, max_views: int = MAX_VIEWS
) -> EvaluationSet:
    """A folder of any format of :mod:`glance3d.photo_sets`, as one scene.

    All views go through the network at once; of more than ``max_views``, that many are taken,
    evenly spaced, with the first among them. Where there are masks, the parts of photos that they
    leave out count neither for the methods nor for the scores.
    """
    photos = load_photo_set(folder)
    chosen = evenly_spaced(len(photos), max_views)
    scene = scene_of_photos(photos, chosen, preprocessing)
    return EvaluationSet(photos.name, (scene,), f"{len(chosen)} of {len(photos)} photos")


def scene_of_photos(
    photos: PhotoSet, chosen: Sequence[int], preprocessing: Preprocessing
) -> EvaluationScene:
    """Some views of a set, as one scene.

    Raises:
        ImageError: a photo or a depth map cannot be read.
    """
    paths = [photos.image_paths[view] for view in chosen]
    masks = [photos.mask_paths[view] for view in chosen] if photos.mask_paths else None
    batch = load_images(paths, preprocessing, masks=masks)
    if batch.skipped:
        raise ImageError(
            f"{batch.skipped[0].source} cannot be read ({batch.skipped[0].reason}): an evaluation "
            "needs every photo of its set"
        )
    return EvaluationScene(
        name=photos.name,
        batch=batch,
        cameras=photos.cameras.float().of_views(chosen),
        depth=tuple(
            _where_kept(_load_depth(photos, view), mask)
            for view, mask in zip(chosen, batch.masks or [None] * len(chosen), strict=True)
        ),
    )


def evenly_spaced(count: int, at_most: int) -> list[int]:
    """At most so many places of ``count``, with the first among them."""
    if at_most < 1:
        raise InputError(f"at least one view is needed, got {at_most}")
    if count <= at_most:
        return list(range(count))
    return [index * count // at_most for index in range(at_most)]


def _where_kept(depth: Tensor | None, mask: PhotoMask | None) -> Tensor | None:
    if depth is None or mask is None or tuple(depth.shape[::-1]) != mask.size:
        return depth
    return depth * torch.from_numpy(mask.to_array())


def _load_depth(photos: PhotoSet, view: int) -> Float[Tensor, "height width"] | None:
    """Depth at the photo's own size: a coarser map is enlarged by taking the nearest value."""
    if photos.depth_paths[view] is None:
        return None
    depth = photos.load_depth(view)
    width, height = photos.cameras.image_sizes[view].tolist()
    if tuple(depth.shape) == (height, width):
        return depth
    resized = torch.nn.functional.interpolate(depth[None, None], (height, width), mode="nearest")
    return resized[0, 0]
