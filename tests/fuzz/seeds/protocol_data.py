"""Data of protocols in the layout of each data set: all but the pictures is damaged."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from tests.evaluation.protocols import drawn
from tests.fuzz.seeds import Seed, seed_of_folder

_PICTURES = ("frames/", "images/", "color", "rgb/", "final/", "image_2/", "image_02/data/")


def protocol_data_seeds() -> list[Seed]:
    """Two or three frames in each layout, in a folder of the layout's name."""
    scene = drawn.toy(3)
    scan = torch.arange(12.0, dtype=torch.float64).reshape(4, 3)
    writers: dict[str, Callable[[Path], None]] = {
        "re10k": lambda data: drawn.write_re10k(data, "clip", scene),
        "co3d": lambda data: drawn.write_co3d(data, "apple", {"1_2_3": scene}, ["1_2_3"]),
        "eth3d": lambda data: drawn.write_eth3d(data, "facade", scene),
        "dtu": lambda data: drawn.write_dtu(data, 24, scene, scan),
        "7-scenes": lambda data: drawn.write_seven_scenes(data, "chess", 3, scene),
        "tum": lambda data: drawn.write_tum(data, "freiburg1_xyz", scene),
        "scannet-pairs": lambda data: drawn.write_scannet_pairs(data, [("scene0707_00", scene)]),
        "nrgbd": lambda data: drawn.write_nrgbd(data, "kitchen", scene),
        "sintel": lambda data: drawn.write_sintel(data, "alley_1", scene),
        "kitti-depth": lambda data: drawn.write_kitti_depth(data, "2011_09_26_drive_1_sync", scene),
        "kitti-odometry": lambda data: drawn.write_kitti_odometry(data, "04", scene, 0.5),
    }
    seeds = []
    for name, write in writers.items():
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / name
            data.mkdir()
            write(data)
            whole = seed_of_folder(Path(folder))
        damaged = tuple(file for file in whole.files if not any(part in file for part in _PICTURES))
        seeds.append(Seed(whole.files, damaged))
    return seeds
