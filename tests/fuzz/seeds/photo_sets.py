"""Photo sets of other tools and benchmarks: their lists, poses, points and depth are damaged."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.seeds import Seed, seed_of_folder
from tests.photo_sets.drawn import (
    Drawn,
    drawn_room,
    write_colmap,
    write_scannet,
    write_transforms,
    write_tum,
)


def foreign_set_seeds() -> list[Seed]:
    """Two photos of a drawn room in each format."""
    room = drawn_room().of_views(2)
    writers: tuple[Callable[[Drawn, Path], Path], ...] = (
        write_transforms,
        write_tum,
        write_scannet,
        write_colmap,
    )
    seeds = []
    for write in writers:
        with tempfile.TemporaryDirectory() as folder:
            whole = seed_of_folder(write(room, Path(folder) / "room_freiburg1"))
        pictures = ("images/", "color/", "rgb/")
        damaged = tuple(name for name in whole.files if not name.startswith(pictures))
        seeds.append(Seed(whole.files, damaged))
    return seeds
