"""7-Scenes: colour, depth and pose of each frame, side by side.

Source: Shotton et al., "Scene coordinate regression forests for camera relocalization in RGB-D
images", CVPR 2013, and the data set's page: poses are 4x4, of the camera in the world; depth is in
millimetres, 65535 unknown; 585 pixels of focal length and a centre of (320, 240) are its defaults
for depth, and colour and depth were not calibrated to each other. The truth is KinectFusion's.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from glance3d.errors import CamerasError
from glance3d.evaluation.protocols.layouts.common import (
    depth_of_pictures,
    existing,
    pinhole,
    read_camera_to_world,
    scene_folders,
    true_scene,
)
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.files.text_input import read_text

SPLIT = "TestSplit.txt"
FOCAL, CENTER = 585.0, (320.0, 240.0)
_MILLIMETRES = 1000.0
_UNKNOWN = (65535,)


def list_scenes(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``SCENE/TestSplit.txt``, ``SCENE/seq-NN/frame-N.{color,depth}.png`` and ``.pose.txt``."""
    listed = []
    for folder in scene_folders(data, scenes, SPLIT):
        for number in _numbers(folder / SPLIT):
            sequence = folder / f"seq-{number:02d}"
            names = [path.name for path in sequence.glob("frame-*.color.png")]
            frames = tuple(sorted(name.removesuffix(".color.png") for name in names))
            name = f"{folder.name}-{sequence.name}"
            if frames:
                read = _reader(name, sequence, frames)
                listed.append(ListedScene(name, frames, read, folder.name))
    return listed


def _numbers(path: Path) -> list[int]:
    text = read_text(path, error=CamerasError)
    return [int(number) for number in re.findall(r"^sequence(\d{1,4})\s*$", text, re.MULTILINE)]


def _reader(name: str, folder: Path, frames: Sequence[str]):
    def read(chosen: Sequence[int]) -> TrueScene:
        named = [frames[place] for place in chosen]
        matrix = pinhole(FOCAL, FOCAL, CENTER[0], CENTER[1])
        depth = [existing(folder / f"{one}.depth.png") for one in named]
        photos = [folder / f"{one}.color.png" for one in named]
        return true_scene(
            name,
            photos,
            [read_camera_to_world(folder / f"{one}.pose.txt") for one in named],
            [matrix] * len(named),
            depth_of_pictures(depth, photos, _MILLIMETRES, _UNKNOWN),
        )

    return read
