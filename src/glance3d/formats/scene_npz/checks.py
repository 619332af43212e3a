"""Whether the values of a ``scene.npz`` can be those of a scene; types and shapes are known."""

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.images.files.decoders import MAX_PHOTO_PIXELS, MAX_SIDE
from glance3d.text import counted
from glance3d.types import Cameras, Placement, SparsePoints, Tracks

POINTS_FROM = ("", "depth", "points")
UNITS = ("arbitrary", "metre")
_MAX_COORDINATE = 1e7  # pixels
_SCALES = (1e-6, 1e6)
_ROTATION_SLACK = 1e-2
_MAX_CAMERA_NUMBER = 2**31


def check_text(words: Mapping[str, str | list[str]]) -> None:
    """Refuse half surrogates, which no file and no stream takes; names' odd bytes are allowed."""
    for field, value in words.items():
        try:
            "\n".join([value] if isinstance(value, str) else value).encode(
                "utf-8", "surrogateescape"
            )
        except UnicodeEncodeError as error:
            raise SceneError(f"its {field} is no Unicode text") from error


def check_names(names: Sequence[str]) -> None:
    """Refuse photos without a name, or two with one."""
    if not all(names):
        raise SceneError("one of its photos has no name")
    if len(set(names)) != len(names):
        raise SceneError("two of its photos have one name")


def check_placement(placement: Placement, grid: tuple[int, int]) -> None:
    """Refuse photos larger than can be read, and grids other than the scene's (width, height)."""
    width, height = placement.original_size
    within = min(width, height) >= 1 and max(width, height) <= MAX_SIDE
    if not within or width * height > MAX_PHOTO_PIXELS:
        raise SceneError(
            f"it names a photo of {width}x{height} pixels; photos are read from 1x1 to "
            f"{MAX_PHOTO_PIXELS // 10**6} million pixels, and {MAX_SIDE} on a side"
        )
    if placement.processed_size != grid:
        raise SceneError(f"its processed_size is {placement.processed_size}, its maps are {grid}")
    if grid[0] * grid[1] > MAX_PHOTO_PIXELS:
        raise SceneError(f"its maps are {grid[0]}x{grid[1]} pixels, larger than any photo")
    if not all(_SCALES[0] <= scale <= _SCALES[1] for scale in placement.scale):
        raise SceneError(f"its photos are scaled by {placement.scale}, as no photo is")
    if not all(abs(offset) <= _MAX_COORDINATE for offset in placement.offset):
        raise SceneError(f"its photos are moved by {placement.offset} pixels, as no photo is")
    if not 1 <= placement.exif_orientation <= 8:
        raise SceneError(f"its exif_orientation is {placement.exif_orientation}, not 1 to 8")


def check_cameras(cameras: Cameras) -> None:
    """Refuse what is no pose, no pinhole or no lens."""
    poses, intrinsics = cameras.cam_from_world.double(), cameras.intrinsics.double()
    rotations = poses[..., :3]
    if not poses.isfinite().all() or not _are_rotations(rotations):
        raise SceneError("its cam_from_world holds what is no pose (a rotation and a translation)")
    focal = intrinsics.diagonal(dim1=-2, dim2=-1)
    below = intrinsics[:, [1, 2, 2], [0, 0, 1]]
    pinhole = (focal[:, :2] > 0).all() and (focal[:, 2] == 1).all() and (below == 0).all()
    if not intrinsics.isfinite().all() or not pinhole:
        raise SceneError("its intrinsics hold what is no pinhole camera")
    if cameras.radial is not None and not cameras.radial.isfinite().all():
        raise SceneError("its radial holds what is no number")
    if cameras.camera_ids is not None:
        _check_range("physical", cameras.camera_ids, _MAX_CAMERA_NUMBER)


def check_tracks(tracks: Tracks, num_views: int) -> None:
    """Refuse queries in views that are not there."""
    if tracks.query_views is not None:
        _check_range("track_query_views", tracks.query_views, num_views)


def check_sparse(sparse: SparsePoints, num_views: int) -> None:
    """Refuse observations by no view, of no point, or out of order."""
    _check_range("sparse_views", sparse.view_indices, num_views)
    _check_range("sparse_indices", sparse.point_indices, len(sparse))
    if bool((sparse.view_indices.diff() < 0).any()):
        raise SceneError("its sparse_views are not sorted by view")
    if not sparse.points_world.isfinite().all() or not sparse.pixels_original.isfinite().all():
        raise SceneError("its sparse points or pixels hold what is no number")


def check_mask_views(views: Sequence[int], num_views: int) -> None:
    """Refuse masks of no photo, and two of one."""
    if not all(0 <= view < num_views for view in views):
        raise SceneError(f"its mask_views name more than its {counted(num_views, 'photo')}")
    if any(after <= before for before, after in itertools.pairwise(views)):
        raise SceneError("its mask_views are not in order")


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """The value, if it is one of those that there are."""
    if value not in choices:
        raise SceneError(f"its {name} is {value[:40]!r}; there are {', '.join(map(repr, choices))}")
    return value


def _check_range(name: str, numbers: Tensor, limit: int) -> None:
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < limit:
        wrong = int(numbers.max()) if int(numbers.min()) >= 0 else int(numbers.min())
        raise SceneError(f"its {name} hold the number {wrong} where there are {limit}")


def _are_rotations(matrices: Tensor) -> bool:
    identity = torch.eye(3, dtype=matrices.dtype)
    deviation = (matrices @ matrices.mT - identity).abs().amax()
    return bool(deviation < _ROTATION_SLACK and (torch.linalg.det(matrices) > 0).all())
