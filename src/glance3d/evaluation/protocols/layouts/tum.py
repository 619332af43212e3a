"""Sequences of the TUM RGB-D benchmark, and of Bonn's, which has its layout."""

from collections.abc import Sequence
from pathlib import Path

from glance3d.evaluation.protocols.layouts.common import scene_folders, true_scene
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.photo_sets import PhotoSet
from glance3d.photo_sets.readers.tum_rgbd import read_tum_sequence


def list_scenes(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``SEQUENCE/rgb.txt``, ``depth.txt``, ``groundtruth.txt`` and the files that they name.

    Frames are those that have a pose at their time; cameras are in metres. A frame is called by its
    file's name without suffix, which is its time stamp.
    """
    return [_scene(read_tum_sequence(path)) for path in scene_folders(data, scenes, "rgb.txt")]


def _scene(photos: PhotoSet) -> ListedScene:
    def read(chosen: Sequence[int]) -> TrueScene:
        def load_depth(view: int):
            place = chosen[view]
            return None if photos.depth_paths[place] is None else photos.load_depth(place)

        return true_scene(
            photos.name,
            [photos.image_paths[place] for place in chosen],
            [photos.cameras.cam_from_world[place] for place in chosen],
            [photos.cameras.intrinsics[place] for place in chosen],
            load_depth,
        )

    return ListedScene(photos.name, tuple(path.stem for path in photos.image_paths), read)
