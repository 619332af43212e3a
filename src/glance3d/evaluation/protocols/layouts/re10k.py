"""RealEstate10K: a text a clip with its cameras, and the frames that were cut from the videos.

Source: Zhou et al., "Stereo magnification: learning view synthesis using multiplane images",
SIGGRAPH 2018, and the data set's page: after the address of the video, a line a frame: time stamp
in microseconds, focal lengths and principal point as shares of the picture's sides, two zeros, and
the 3x4 pose from the world to the camera.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from glance3d.errors import CamerasError
from glance3d.evaluation.protocols.layouts.common import photos_in, pinhole, true_scene
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.files.text_input import read_text
from glance3d.formats.camera_values import read_pose
from glance3d.images.decoding.decode import read_header

_NUMBERS = 19


def list_scenes(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``cameras/CLIP.txt`` with ``frames/CLIP/TIMESTAMP.png`` (or .jpg)."""
    texts = sorted((data / "cameras").glob("*.txt"))
    return [
        scene
        for text in texts
        if (not scenes or text.stem in scenes)
        and (scene := _scene(data / "frames" / text.stem, text)).frames
    ]


def _scene(folder: Path, text: Path) -> ListedScene:
    photos = {path.stem: path for path in photos_in(folder)}

    def read(chosen: Sequence[int]) -> TrueScene:
        lines = _lines(text)
        names = [frames[place] for place in chosen]
        paths = [photos[name] for name in names]
        poses, matrices = [], []
        for name, path in zip(names, paths, strict=True):
            if name not in lines:
                raise CamerasError(f"{text} has no camera at the time stamp {name} of {path}")
            fx, fy, cx, cy, _, _, *pose = lines[name]
            width, height = read_header(path).size
            matrices.append(pinhole(fx * width, fy * height, cx * width, cy * height))
            poses.append(read_pose([pose[:4], pose[4:8], pose[8:]], f"the pose {name} in {text}"))
        return true_scene(text.stem, paths, poses, matrices)

    frames = tuple(sorted(photos, key=lambda name: (len(name), name)))
    return ListedScene(text.stem, frames, read)


def _lines(path: Path) -> dict[str, list[float]]:
    """The numbers after each time stamp."""
    lines = {}
    for number, line in enumerate(read_text(path, error=CamerasError).split("\n"), start=1):
        words = line.split()
        if not words or (number == 1 and len(words) == 1):
            continue
        try:
            values = [float(word) for word in words[1:]]
        except ValueError:
            values = []
        if len(values) != _NUMBERS - 1 or not torch.tensor(values).isfinite().all():
            raise CamerasError(
                f"line {number} of {path} must be a time stamp and {_NUMBERS - 1} numbers, "
                f"got {line[:60]!r}"
            )
        lines[words[0]] = values
    return lines
