"""Scenes as they are saved, with everything that a scene can hold; and what belongs to them."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from glance3d.evaluation.predictions import prediction_of_scene, save_prediction
from glance3d.exporters import export
from glance3d.types import (
    Cameras,
    PhotoMask,
    PhotoMetadata,
    Placement,
    Reconstruction,
    Report,
    SparsePoints,
    Tracks,
    ViewTrust,
)
from tests.fuzz.seeds import Seed, seed_of_folder
from tests.images.files import gradient

GRID = (8, 12)  # rows, columns
SIZE = (48, 32)


def small_scene() -> Reconstruction:
    """Two photos that see a slanted plane, plainly."""
    rows, columns = GRID
    placement = Placement(SIZE, (columns, rows), (columns / SIZE[0], rows / SIZE[1]))
    poses = torch.eye(3, 4).repeat(2, 1, 1)
    poses[1, 0, 3] = -0.5
    intrinsics = torch.tensor([[40.0, 0, 24], [0, 40, 16], [0, 0, 1]]).repeat(2, 1, 1)
    depth = 4 + torch.linspace(0, 1, rows * columns).view(1, rows, columns).repeat(2, 1, 1)
    pixels = torch.from_numpy(gradient(columns, rows))
    return Reconstruction(
        names=("a.png", "b.png"),
        sources=("/nowhere/a.png", "/nowhere/b.png"),
        placements=(placement,) * 2,
        cameras=Cameras(poses, intrinsics, torch.tensor([SIZE] * 2)),
        colors=pixels[None].repeat(2, 1, 1, 1),
        mask=torch.ones(2, rows, columns, dtype=torch.bool),
        depth=depth,
        points_world=torch.zeros(2, rows, columns, 3),
        confidence=torch.rand(2, rows, columns, generator=torch.Generator().manual_seed(0)),
        points_from="points",
        model="tiny",
        report=Report.from_json({"model": "tiny", "warnings": ["a warning"], "num_photos": 2}),
    )


def full_scene() -> Reconstruction:
    """The same with tracks, measured points, masks, metadata and verdicts, in metres."""
    scene = small_scene()
    keep = PhotoMask.from_array(gradient(*SIZE)[..., 0] > 20)
    whole = torch.ones_like(scene.mask)
    return replace(
        scene,
        cameras=replace(
            scene.cameras, radial=torch.tensor([0.01, 0.02]), camera_ids=torch.tensor([0, 0])
        ),
        tracks=Tracks(
            torch.tensor([[[10.0, 9], [30, 20]], [[14.0, 9], [34, 20]]]),
            torch.full((2, 2), 0.9),
            torch.full((2, 2), 0.8),
            torch.tensor([0, 1]),
        ),
        sparse=SparsePoints(
            torch.tensor([[0.0, 0, 4], [0.2, 0.1, 4.5]]),
            torch.tensor([[200, 0, 0], [0, 200, 0]], dtype=torch.uint8),
            torch.tensor([0, 0, 1, 1]),
            torch.tensor([0, 1, 0, 1]),
            torch.tensor([[24.0, 16], [26, 17], [19, 16], [21.5, 17]]),
        ),
        consistent=whole,
        measured=whole,
        masks=(keep, None),
        metadata=(PhotoMetadata(camera="Maker Model", latitude=46.9, longitude=7.4),) * 2,
        trust=(
            ViewTrust("bundle adjustment", 40, 0.4, 1.1, 0.9, "good", "held by 40 tracks"),
            ViewTrust("network", 0, None, None, None, "unsupported", "no tracks"),
        ),
        units="metre",
        world="east-north-up",
    )


def scene_seeds() -> list[Seed]:
    """``scene.npz`` of a plain scene and of one that holds everything."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = []
        for scene in (small_scene(), full_scene()):
            export(scene, Path(folder) / "scene.npz")
            seeds.append(seed_of_folder(Path(folder)))
    return seeds


def prediction_seeds() -> list[Seed]:
    """What evaluation keeps of a method's answer."""
    with tempfile.TemporaryDirectory() as folder:
        save_prediction(prediction_of_scene(full_scene()), Path(folder) / "prediction.npz")
        return [seed_of_folder(Path(folder))]


def depth_map_seeds() -> list[Seed]:
    """Depth maps of one photo, as arrays and pictures."""
    depth = small_scene().depth
    assert depth is not None
    values = np.kron(depth[0].numpy(), np.ones((4, 4), np.float32))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        np.save(root / "depth.npy", values)
        Image.fromarray((values * 1000).astype(np.uint16)).save(root / "depth.png")
        Image.fromarray(values).save(root / "depth.tiff")
        return [Seed({name: data}) for name, data in seed_of_folder(root).files.items()]
