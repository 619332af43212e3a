"""Does refinement hold shuffled photos as in order: ``python -m benchmarks.shuffled SET``.

The photos of a set with true cameras are matched by SIFT and mapped, with their true intrinsics and
no poses to start from: under their own names, or (``--shuffle``) under names in any order.
``--pairs order`` matches by order alone (12 neighbours, and those 2, 4, 8 ... photos away), as was
done before photos were retrieved. Held are photos with points enough in the result.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

import glance3d
from glance3d.evaluation.metrics import pose_auc, relative_pose_errors
from glance3d.images import Originals
from glance3d.models import Network
from glance3d.photo_sets import PhotoSet, load_photo_set
from glance3d.refinement import RefineOptions
from glance3d.refinement.mapping.registration import Registration, register_views
from glance3d.refinement.matching import matched_photos
from glance3d.refinement.matching.photo_pairs import PhotoPairs
from glance3d.refinement.pycolmap_interface import quiet
from glance3d.types import Predictions, Reconstruction


def main() -> None:
    """Match, map, and say how many photos are held."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--pairs", choices=("likeness", "poses", "order"), default="likeness")
    options = parser.parse_args()
    model = glance3d.load_model("glance-small", device="cpu")
    photos = load_photo_set(options.set)
    views = list(range(min(options.photos, len(photos))))
    if options.shuffle:
        random.Random(0).shuffle(views)
    scene = scene_without_poses(photos, views, model)
    start = time.perf_counter()
    found, chosen = register(scene, model, options.pairs)
    seconds = time.perf_counter() - start
    truth = photos.cameras.cam_from_world[views]
    print(
        f"{'shuffled' if options.shuffle else 'in order'}, pairs by {options.pairs}: {chosen}; "
        f"{found.num_supported} of {len(views)} held, "
        f"AUC@5 {auc(found, truth, 5):.3f}, AUC@30 {auc(found, truth, 30):.3f}, {seconds:.0f} s"
    )


def scene_without_poses(photos: PhotoSet, views: list[int], model: Network) -> Reconstruction:
    """A scene of these photos, whose names sort in this order; all cameras are at one place."""
    paths = [photos.image_paths[view] for view in views]
    batch = glance3d.load_images(paths, model.preprocessing)
    names = tuple(f"{place:04d}.jpg" for place in range(len(views)))
    batch = replace(batch, names=names)
    cameras = photos.cameras.of_views(views)
    on_grid = cameras.on_grid(batch.placements)
    eye = torch.eye(3, 4).expand(1, len(views), -1, -1)
    guess = Predictions(
        batch.image_size, cam_from_world=eye, intrinsics=on_grid.intrinsics.float()[None]
    )
    return guess.to_reconstruction(batch)


def register(scene: Reconstruction, model: Network, by: str) -> tuple[Registration, dict]:
    """Matched by the pairs that were asked for, and mapped."""
    options = RefineOptions()
    network = (lambda: model) if by == "likeness" else None
    chooser = {"order": lambda *_, **__: by_order(scene.num_views)}.get(
        by, matched_photos.choose_photo_pairs
    )
    with (
        quiet(),
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(matched_photos, "choose_photo_pairs", chooser),
    ):
        matched = matched_photos.match_photos(
            scene, Originals(scene), Path(folder), options, network=network
        )
        assert matched.photo_pairs is not None
        return register_views(matched, Originals(scene)), matched.photo_pairs.describe()


def by_order(num_views: int) -> PhotoPairs:
    """COLMAP's sequential pairs with quadratic overlap."""

    def pairs() -> Iterator[tuple[int, int]]:
        steps = sorted({*range(1, 13), *(2**power for power in range(12))})
        for view in range(num_views):
            for step in steps:
                if view + step < num_views:
                    yield view, view + step

    return PhotoPairs(num_views, tuple(pairs()), "order")


def auc(found: Registration, truth: torch.Tensor, degrees: int) -> float:
    """Of all pairs of photos; those of a photo without a pose count as 180 degrees off."""
    poses = torch.full((len(truth), 3, 4), torch.nan, dtype=torch.float64)
    for view, image in found.images.items():
        poses[view] = torch.tensor(image.cam_from_world().matrix(), dtype=torch.float64)
    return pose_auc(relative_pose_errors(poses, truth.double()).worse, degrees)


if __name__ == "__main__":
    main()
