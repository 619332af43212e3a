"""Which pairs of photos see the same thing: ``python -m benchmarks.retrieval SET ...``.

Of photo sets with true cameras and of drawn scenes, all in one set, how many of the pairs that
truly overlap are among those that are tried, against how many are tried: by whole photos'
descriptors, by other ways of pooling, by comparing cells, and by the order of files, as given and
shuffled. Overlap is the mean share of either view's surface that the other shows too, by true
depth; without depth a plane at the point that all cameras look at stands for it, seen from less
than 45 degrees apart. Pairs that share over a fifth count.
"""

import argparse
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import glance3d
from benchmarks.compare import describe_machine
from glance3d.datasets.synthetic.stream import SyntheticConfig, SyntheticScenes
from glance3d.geometry.cameras import project_points, unproject_depth
from glance3d.models import VGGT
from glance3d.models.photo_descriptors import describe_photos
from glance3d.multiview.view_graph import connected_components
from glance3d.photo_sets import PhotoSet, load_photo_set
from glance3d.retrieval import choose_pairs, photo_likeness, pool_tokens
from glance3d.types import ImageBatch, Placement

SHARED = 0.2  # from this overlap on a pair counts
SAMPLES = 24  # rows and columns of a view's pixels that are looked for in the others
PER_VIEW = (4, 8, 16)


@dataclass(frozen=True)
class Photos:
    """A set of photos and the true overlap of every two."""

    name: str
    batch: ImageBatch
    overlap: Tensor

    @property
    def true_pairs(self) -> set[tuple[int, int]]:
        """Pairs (first < second) that share enough."""
        found = (self.overlap.triu(1) > SHARED).nonzero().tolist()
        return {(first, second) for first, second in found}


def main() -> None:
    """Measure and print one table a set."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", type=Path)
    parser.add_argument("--model", default="glance-small")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--drawn", type=int, default=2, help="sets of 5 drawn scenes of 24 views")
    options = parser.parse_args()
    model = glance3d.load_model(options.model, weights=options.weights, device="cpu")
    print(f"{datetime.date.today()}, {model.config.name}")
    print("\n".join(describe_machine("cpu")))
    for photos in all_photos(options, model):
        report(photos, model)


def all_photos(options: argparse.Namespace, model: VGGT) -> Iterator[Photos]:
    """Real sets, then drawn ones."""
    for folder in options.sets:
        photos = load_photo_set(folder)
        views = [
            view
            for view, path in enumerate(photos.depth_paths)
            if path is not None or not photos.has_depth
        ]
        paths = [photos.image_paths[view] for view in views]
        batch = glance3d.load_images(paths, model.preprocessing)
        yield Photos(photos.name, batch, true_overlap(photos, views))
    for index in range(options.drawn):
        yield drawn(index)


def drawn(index: int, num_scenes: int = 5, num_views: int = 24) -> Photos:
    """Views of several drawn scenes, together: pairs of two scenes share nothing."""
    count = num_scenes * num_views
    config = SyntheticConfig(
        images_per_batch=count,
        num_views=(num_views, num_views),
        max_pixels=256 * 256,
        aspect_ratio=(1.2, 1.5),
    )
    sample = SyntheticScenes(config, seed=77, split="test").batch(index)
    height, width = sample.images.shape[-2:]
    depth = torch.where(sample.valid, sample.depth, 0)
    parts = [
        overlap_by_depth(depth[scene], sample.intrinsics[scene], sample.cam_from_world[scene])
        for scene in range(num_scenes)
    ]
    names = tuple(f"{view:03d}.png" for view in range(count))
    placement = Placement((width, height), (width, height), (1.0, 1.0), (0.0, 0.0))
    batch = ImageBatch(sample.images.flatten(0, 1), names, names, (placement,) * count)
    return Photos(f"drawn scenes {index}", batch, torch.block_diag(*parts))


def true_overlap(photos: PhotoSet, views: list[int]) -> Tensor:
    """By depth where there is depth, else by a plane."""
    cameras = photos.cameras.of_views(views)
    poses, intrinsics = cameras.cam_from_world.double(), cameras.intrinsics.double()
    if photos.has_depth:
        depth = torch.stack([photos.load_depth(view) for view in views]).double()
        scale = depth.shape[-1] / float(cameras.image_sizes[0, 0])
        on_depth = intrinsics * intrinsics.new_tensor([scale, scale, 1.0])[:, None]
        return overlap_by_depth(depth, on_depth, poses)
    width, height = cameras.image_sizes.amax(0).tolist()
    forward, centers = poses[:, 2, :3], cameras.centers.double()
    # The point nearest to all optical axes: sum (I - f f^T) (x - c) = 0.
    across = torch.eye(3, dtype=torch.float64) - forward[:, :, None] * forward[:, None]
    focus = torch.linalg.solve(across.sum(0), (across @ centers[..., None]).sum(0))[:, 0]
    distance = ((focus - centers) * forward).sum(-1).clamp(min=1e-6)
    planes = distance[:, None, None].expand(-1, height, width)
    near = forward @ forward.T > 0.5**0.5
    return overlap_by_depth(planes, intrinsics, poses, hidden=False) * near


def overlap_by_depth(
    depth: Tensor, intrinsics: Tensor, poses: Tensor, hidden: bool = True
) -> Tensor:
    """The mean share of two views that the other shows: within 5 % of its depth, if ``hidden``."""
    num_views, height, width = depth.shape
    rows = ((torch.arange(SAMPLES) + 0.5) / SAMPLES * height).long()
    columns = ((torch.arange(SAMPLES) + 0.5) / SAMPLES * width).long()
    share = torch.zeros(num_views, num_views)
    for view in range(num_views):
        points = unproject_depth(depth[view], poses[view], intrinsics[view])[rows][:, columns]
        known = depth[view][rows][:, columns].flatten() > 0
        everywhere = points.flatten(0, 1).expand(num_views, -1, -1)
        pixels, depths = project_points(everywhere, poses, intrinsics)
        x, y = pixels.nan_to_num(-1, -1, -1).floor().long().unbind(-1)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (depths > 1e-3)
        others = torch.arange(num_views)[:, None]
        surface = depth[others, y.clamp(0, height - 1), x.clamp(0, width - 1)]
        seen = inside & ((surface - depths).abs() < 0.05 * depths) if hidden else inside
        share[view] = (seen & known).sum(-1) / known.sum().clamp(min=1)
    return (share + share.T) / 2


def report(photos: Photos, model: VGGT) -> None:
    """One row a way of choosing: average precision, then recall and pairs a photo."""
    num_views, true_pairs = len(photos.batch.names), photos.true_pairs
    everything = num_views * (num_views - 1) // 2
    parts = num_components(num_views, true_pairs)
    print(
        f"\n## {photos.name}: {num_views} photos, {len(true_pairs)} of {everything} pairs overlap, "
        f"{parts} connected parts\n"
    )
    counts = [count for count in PER_VIEW if count < num_views]
    heads = " | ".join(f"{count} a photo" for count in counts)
    print(f"| by | average precision | {heads} |\n|{' --- |' * (2 + len(counts))}")
    tokens = all_tokens(photos.batch, model)
    for name, likeness_of in ways(photos.batch, model, tokens).items():
        likeness = likeness_of()
        cells = []
        for count in counts:
            tried = set(choose_pairs(likeness, count))
            found = tried & true_pairs
            more = num_components(num_views, found) - parts
            cells.append(
                f"{len(found) / max(len(true_pairs), 1):.2f} of {len(tried) / num_views:.1f} N"
                + (f", {more} parts more" if more else "")
            )
        precision = average_precision(likeness, photos.overlap > SHARED)
        print(f"| {name} | {precision:.3f} | {' | '.join(cells)} |", flush=True)


def ways(
    batch: ImageBatch, model: VGGT, tokens: dict[str, Tensor]
) -> dict[str, Callable[[], Tensor]]:
    """The likeness of every two photos, by what is used and by what it was chosen from."""
    num_views = len(batch.names)

    def by_order(order: Tensor) -> Tensor:
        return -(order[:, None] - order).abs().float()

    ways: dict[str, Callable[[], Tensor]] = {
        "descriptors of whole photos": lambda: photo_likeness(describe_photos(model, batch)),
    }
    for name, values in tokens.items():
        every = torch.ones(values.shape[:2])
        ways[f"mean of {name}"] = lambda v=values: cosines(v.mean(1))
        ways[f"second order of {name}"] = lambda v=values, w=every: cosines(pool_tokens(v, w))
        ways[f"VLAD of {name}, 16 words"] = lambda v=values: cosines(vlad(F.normalize(v, dim=-1)))
    generator = torch.Generator().manual_seed(0)
    ways["order of files"] = lambda: by_order(torch.arange(num_views))
    ways["order, shuffled"] = lambda: by_order(torch.randperm(num_views, generator=generator))
    return ways


def all_tokens(batch: ImageBatch, model: VGGT) -> dict[str, Tensor]:
    """Tokens of every photo alone: patch embedding, layers, and what the network matches by."""
    found: dict[str, list[Tensor]] = {"patch embedding": [], "layer 0": [], "cells": []}
    head, dim = model.correspondence_head, model.config.embed_dim
    with torch.inference_mode():
        for start in range(0, len(batch.names), 4):
            views = range(len(batch.names))[start : start + 4]
            images = batch.of_views(views).images
            found["patch embedding"].append(model.embed_patches(images))
            if head is None:
                continue
            encoded = model.encode(images[:, None], (0, head.config.layer))
            patches = {
                layer: tokens[:, :, encoded.patch_start_idx :, dim:]
                for layer, tokens in encoded.layers.items()
            }
            found["layer 0"].append(patches[0][:, 0])
            described = head.describe(patches[head.config.layer], encoded.stem_maps[0])
            found["cells"].append(described.descriptors[:, 0])
    return {name: torch.cat(parts).float() for name, parts in found.items() if parts}


def cosines(values: Tensor) -> Tensor:
    """Of descriptors without the set's mean."""
    unit = F.normalize(values - values.mean(0), dim=-1)
    return unit @ unit.T


def vlad(tokens: Tensor, num_words: int = 16) -> Tensor:
    """Jegou et al. 2010: summed differences from the nearest of some words of the set."""
    generator = torch.Generator().manual_seed(0)
    flat = tokens.flatten(0, 1)
    flat = flat[torch.randperm(len(flat), generator=generator)[:20000]]
    words = flat[:num_words]
    for _ in range(10):
        nearest = (flat @ words.T).argmax(1)
        words = F.normalize(torch.zeros_like(words).index_add_(0, nearest, flat), dim=-1)
    found = []
    for photo in tokens:
        nearest = (photo @ words.T).argmax(1)
        sums = torch.zeros_like(words).index_add_(0, nearest, photo - words[nearest])
        found.append(F.normalize(sums, dim=-1).flatten())
    return F.normalize(torch.stack(found), dim=-1)


def average_precision(likeness: Tensor, relevant: Tensor) -> float:
    """Of all pairs in order of likeness."""
    first, second = torch.triu_indices(len(likeness), len(likeness), 1)
    order = likeness[first, second].argsort(descending=True, stable=True)
    hits = relevant[first, second][order].double()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum().clamp(min=1))


def num_components(num_views: int, pairs: set[tuple[int, int]]) -> int:
    """Connected parts of the views, single ones too."""
    parts = connected_components(pairs)
    return len(parts) + num_views - sum(map(len, parts))


if __name__ == "__main__":
    main()
