"""Pairs of ScanNet's photos as two-view matching is measured on: a line a pair, with the truth.

Source: Sarlin et al., "SuperGlue", CVPR 2020, whose list of 1,500 pairs is in this format: two
photos, two EXIF rotations, two 3x3 matrices of intrinsics, and the 4x4 transform from the first
camera to the second.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from glance3d.errors import CamerasError
from glance3d.evaluation.protocols.layouts.common import named_photo, true_scene
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.files.text_input import read_text
from glance3d.formats.camera_values import read_intrinsics, read_pose

LIST = "pairs.txt"
_WORDS = 38
_NUMBERS = _WORDS - 4


def list_scenes(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``pairs.txt`` and the photos that it names, relative to it; a pair is a scene."""
    listed = []
    if not (data / LIST).is_file():
        return []
    for number, line in enumerate(read_text(data / LIST, error=CamerasError).split("\n"), start=1):
        if not line.strip():
            continue
        words = line.split()
        where = f"line {number} of {data / LIST}"
        if len(words) != _WORDS:
            raise CamerasError(f"{where} must have {_WORDS} words, got {len(words)}")
        if words[2:4] != ["0", "0"]:
            raise CamerasError(f"{where} turns its photos by EXIF: turn them upright, and say 0 0")
        name = f"{len(listed):04d}"
        if not scenes or name in scenes:
            category = Path(words[0]).parts[0]
            read = _reader(data, name, words, where)
            listed.append(ListedScene(name, (words[0], words[1]), read, category))
    return listed


def _reader(data: Path, name: str, words: Sequence[str], where: str):
    def read(chosen: Sequence[int]) -> TrueScene:
        try:
            numbers = [float(word) for word in words[4:]]
        except ValueError as error:
            raise CamerasError(f"{where} must hold {_NUMBERS} numbers") from error
        matrices = []
        for start in (0, 9):
            rows = [numbers[start + 3 * row : start + 3 * row + 3] for row in range(3)]
            matrix = read_intrinsics(rows, f"intrinsics in {where}")
            matrix[:2, 2] += 0.5  # from a first pixel's centre of 0
            matrices.append(matrix)
        second = read_pose([numbers[18 + 4 * row : 22 + 4 * row] for row in range(3)], where)
        poses = [torch.eye(3, 4, dtype=torch.float64), second]
        paths = [named_photo(data, word, "a photo of the pairs") for word in words[:2]]
        return true_scene(
            name,
            [paths[place] for place in chosen],
            [poses[place] for place in chosen],
            [matrices[place] for place in chosen],
        )

    return read
