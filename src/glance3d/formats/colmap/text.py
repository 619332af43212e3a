"""``cameras.txt`` and ``images.txt`` of a COLMAP model, as COLMAP and as other tools write them.

COLMAP writes two lines a photo: the pose, and the points that it sees. Many tools leave out the
second one, or write it empty, so each line is taken for what it is; those that are neither are
named. Text is read only: what Glance3D writes is binary.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from glance3d.errors import CamerasError
from glance3d.files.text_input import read_text
from glance3d.formats.colmap.records import ColmapCamera, ColmapImage, ColmapPoints2D
from glance3d.formats.colmap.skipped_records import SkippedRecords

_SHOWN_CHARACTERS = 40
# Of a line of points, which may be megabytes long, so many numbers are looked at.
_TRIED_NUMBERS = 12
_LARGEST_ID = 2**32


def read_text_cameras(path: Path, skipped: SkippedRecords) -> dict[int, ColmapCamera]:
    """Each camera by its number; lines that hold none go to ``skipped``."""
    cameras: dict[int, ColmapCamera] = {}
    for number, line in _lines(path):
        words = line.split()
        if not words:
            continue
        try:
            camera_id, width, height = (_whole(words[index]) for index in (0, 2, 3))
            camera = ColmapCamera(words[1], (width, height), tuple(map(float, words[4:])))
            camera.lens()
            if cameras.setdefault(camera_id, camera) != camera:
                raise CamerasError(f"camera {camera_id} a second time")
        except (ValueError, IndexError):
            skipped.add(*_place(number, line, path, "wanted: number MODEL width height ..."))
        except CamerasError as error:
            skipped.add(*_place(number, line, path, str(error)))
    return cameras


def read_text_images(path: Path, skipped: SkippedRecords) -> list[ColmapImage]:
    """Every photo's pose, whether or not lines of points follow them."""
    images = []
    points_may_follow = False
    for number, line in _lines(path):
        if not line.strip():
            points_may_follow = False
            continue
        if points_may_follow and _is_points(line):
            points_may_follow = False
            continue
        try:
            images.append(_image(line))
            points_may_follow = True
        except (ValueError, IndexError):
            reason = "wanted: number qw qx qy qz tx ty tz camera name"
            skipped.add(*_place(number, line, path, reason))
            points_may_follow = not _is_points(line)  # those of the photo that was not understood
        except CamerasError as error:
            skipped.add(*_place(number, line, path, str(error)))
            points_may_follow = True
    return images


def read_text_points2d(path: Path) -> dict[int, tuple[str, ColmapPoints2D | None]]:
    """Each photo's name and the pixels at which it sees points, by its number.

    Raises:
        CamerasError: a line of pixels is damaged; it is named.
    """
    photos: dict[int, tuple[str, ColmapPoints2D | None]] = {}
    last = None
    for number, line in _lines(path):
        if last is not None and _is_points(line):
            try:
                values = np.array(line.split(), np.float64).reshape(-1, 3)
            except ValueError as error:
                raise CamerasError(f"line {number} of {path} must be: x y point x y ...") from error
            # -1 is no point, and so is what no number of one can be.
            ids = np.where(np.abs(values[:, 2]) < 2**53, values[:, 2], -1)
            points = ColmapPoints2D(values[:, :2], ids.astype(np.int64))
            photos[last] = photos[last][0], points
            last = None
            continue
        last = None
        with suppress(ValueError, IndexError, CamerasError):
            image = _image(line)
            last = image.image_id
            photos[last] = image.name, None
    return photos


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are no comments, with their numbers from 1."""
    text = read_text(path, error=CamerasError, keep_undecodable=True)
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.lstrip().startswith("#"):
            yield number, line


def _image(line: str) -> ColmapImage:
    """The photo of a line; a ``ValueError`` if it is none, a ``CamerasError`` if it has no pose."""
    first_word, *pose, camera_id, name = line.split(maxsplit=9)
    image_id = _whole(first_word)
    if len(pose) != 7:
        raise ValueError("too few words")
    numbers = [float(word) for word in pose]
    quat_wxyz, translation = tuple(numbers[:4]), tuple(numbers[4:])
    image = ColmapImage(image_id, name.strip(), _whole(camera_id), quat_wxyz, translation)
    image.cam_from_world()
    return image


def _is_points(line: str) -> bool:
    """Whether a line is ``x y number`` again and again."""
    words = line.split(maxsplit=_TRIED_NUMBERS)[:_TRIED_NUMBERS]
    if len(words) % 3:
        return False
    try:
        return all(math.isfinite(float(word)) for word in words)
    except ValueError:
        return False


def _whole(word: str) -> int:
    """A number of a camera or photo, or of pixels; without an exception for thousands of digits."""
    number = float(word)
    if not 0 <= number < _LARGEST_ID or number != int(number):
        raise ValueError("no whole number")
    return int(number)


def _place(number: int, line: str, path: Path, reason: str) -> tuple[str, str]:
    shown = line.strip()
    if len(shown) > _SHOWN_CHARACTERS:
        shown = shown[:_SHOWN_CHARACTERS] + "..."
    return f"line {number} of {path.name}: {shown!r}", reason
