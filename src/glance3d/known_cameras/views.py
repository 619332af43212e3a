"""Which known camera is which photo's, and what it then says in the photo's own pixels."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.geometry.cameras import scale_intrinsics
from glance3d.images import READABLE_SUFFIXES
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras
from glance3d.known_cameras.time_stamps import match_times

Size = tuple[int, int]

# Camera axes of the upright photo from those of the photo as it is stored, by EXIF orientation.
_QUARTER_TURNS = {
    6: torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64),
    8: torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]], dtype=torch.float64),
}


@dataclass(frozen=True)
class KnownViews:
    """What is known of each view's camera beforehand, float64; NaN is not known.

    ``intrinsics`` are pixels of the original, upright photo, ``radial`` is k1 of COLMAP's
    SIMPLE_RADIAL and known where intrinsics are. Poses are in the frame ``world``, lengths in
    ``units``. ``unused`` names cameras of the file without a photo.
    """

    names: tuple[str, ...]
    cam_from_world: Float[Tensor, "views 3 4"]
    intrinsics: Float[Tensor, "views 3 3"]
    radial: Float[Tensor, " views"]
    world: str
    units: str
    source: str
    matched_by: str
    unused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def has_pose(self) -> Bool[Tensor, " views"]:
        """Whose pose is known."""
        return self.cam_from_world.isfinite().all(-1).all(-1)

    @property
    def has_intrinsics(self) -> Bool[Tensor, " views"]:
        """Whose intrinsics and distortion are known."""
        return self.intrinsics.isfinite().all(-1).all(-1)

    @property
    def focal_lengths(self) -> Float[Tensor, " views"]:
        """In pixels of the original photos, the geometric mean of both axes; NaN is not known."""
        return self.intrinsics.diagonal(dim1=-2, dim2=-1)[:, :2].prod(-1).sqrt()

    def describe(self) -> dict[str, Any]:
        """JSON-ready: which photos are known, by what."""
        return {
            "source": self.source,
            "matched_by": self.matched_by,
            "world": self.world,
            "units": self.units,
            "num_poses": int(self.has_pose.sum()),
            "num_intrinsics": int(self.has_intrinsics.sum()),
            "unknown": [n for n, k in zip(self.names, self._is_known(), strict=True) if not k],
            "num_unused": len(self.unused),
            "warnings": list(self.warnings),
        }

    def _is_known(self) -> list[bool]:
        return (self.has_pose | self.has_intrinsics).tolist()


def match_views(
    known: KnownCameras,
    names: Sequence[str],
    sizes: Sequence[Size],
    *,
    sources: Sequence[str] | None = None,
    orientations: Sequence[int] | None = None,
) -> KnownViews:
    """What is known of photos with these names and upright sizes (width, height).

    A camera is a photo's whose file name it has; else whose stem (``a.heic`` and ``a.jpg``), both
    without regard to case. Where several have the name, the folders of ``sources`` decide.
    Trajectories are matched by time stamps in the names, or by order if there are as many poses as
    photos. Intrinsics of another size of the same shape are scaled; those of a photo as it is
    stored are turned upright with its pose (``orientations`` are EXIF's); those of another shape
    are not used, with a warning.

    Raises:
        CamerasError: no photo is known, or it is not clear which camera is whose.
    """
    if all(camera.name is None for camera in known.cameras):
        times = [camera.time for camera in known.cameras]
        own, matched_by = match_times(names, times, known.source)
    else:
        paths = names if sources is None else sources
        own, matched_by = _match_names(known, names, paths), "file names"
    warnings = list(known.warnings)
    rows = []
    for view, index in enumerate(own):
        if index is None:
            rows.append(KnownCamera(None))
            continue
        orientation = 1 if orientations is None else orientations[view]
        rows.append(_fitted(known.cameras[index], names[view], sizes[view], orientation, warnings))
    used = set(own)
    return KnownViews(
        names=tuple(names),
        cam_from_world=_stacked([row.cam_from_world for row in rows], (3, 4)),
        intrinsics=_stacked([row.intrinsics for row in rows], (3, 3)),
        radial=torch.tensor(
            [float("nan") if row.intrinsics is None else row.radial for row in rows],
            dtype=torch.float64,
        ),
        world=known.world,
        units=known.units,
        source=known.source,
        matched_by=matched_by,
        unused=tuple(
            camera.name or f"time {camera.time}"
            for index, camera in enumerate(known.cameras)
            if index not in used
        ),
        warnings=tuple(warnings),
    )


def _stacked(matrices: list[Tensor | None], shape: tuple[int, int]) -> Tensor:
    unknown = torch.full(shape, torch.nan, dtype=torch.float64)
    return torch.stack([unknown if matrix is None else matrix for matrix in matrices])


def _match_names(
    known: KnownCameras, names: Sequence[str], paths: Sequence[str]
) -> list[int | None]:
    """For each photo the index of its camera."""
    cameras = [(camera.name or "").replace("\\", "/") for camera in known.cameras]
    by_name = _places([PurePosixPath(name).name.lower() for name in cameras])
    by_stem = _places([_stem(name) for name in cameras])
    own: list[int | None] = [
        _one(by_name.get(name.lower(), []), path, cameras, known.source, name)
        for name, path in zip(names, paths, strict=True)
    ]
    taken = {index for index in own if index is not None}
    for view, name in enumerate(names):
        if own[view] is None:
            left = [index for index in by_stem.get(_stem(name), []) if index not in taken]
            own[view] = _one(left, paths[view], cameras, known.source, name)
    _refuse_none_or_shared(own, names, cameras, known.source)
    return own


def _places(keys: list[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        found.setdefault(key, []).append(index)
    return found


def _stem(name: str) -> str:
    """The file name without an image's suffix (``1305.23`` has none), without regard to case."""
    path = PurePosixPath(name.replace("\\", "/").lower())
    return path.stem if path.suffix in READABLE_SUFFIXES else path.name


def _one(
    candidates: list[int], path: str, cameras: list[str], source: str, name: str
) -> int | None:
    """The camera whose folders the photo's path shares, if there are several."""
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    shared = [_num_shared_folders(cameras[index], path) for index in candidates]
    best = [i for i, count in zip(candidates, shared, strict=True) if count == max(shared)]
    if len(best) > 1:
        both = " and ".join(repr(cameras[index]) for index in best[:2])
        raise CamerasError(
            f"it is not clear which camera of {source} is {name}'s: {both} have its name; give the "
            "photos different names"
        )
    return best[0]


def _num_shared_folders(camera: str, path: str) -> int:
    """Of two paths, how many of the innermost folders have the same names."""
    count = 0
    folders = PurePosixPath(camera.lower()).parts[-2::-1]
    for a, b in zip(
        folders, PurePosixPath(path.replace("\\", "/").lower()).parts[-2::-1], strict=False
    ):
        if a != b:
            break
        count += 1
    return count


def _refuse_none_or_shared(
    own: list[int | None], names: Sequence[str], cameras: list[str], source: str
) -> None:
    if all(index is None for index in own):
        raise CamerasError(
            f"none of the photos ({_some(names)}) is in {source}, which knows {_some(cameras)}: "
            "names must be the same"
        )
    counts = Counter(index for index in own if index is not None)
    index, count = counts.most_common(1)[0]
    if count > 1:
        sharing = [name for name, i in zip(names, own, strict=True) if i == index]
        raise CamerasError(
            f"{_some(sharing)} would all have the camera of {cameras[index]} in {source}: name "
            "each as the file does"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _fitted(
    camera: KnownCamera, name: str, size: Size, orientation: int, warnings: list[str]
) -> KnownCamera:
    """The camera for the upright photo at its own size."""
    on_its_side = _is_same_shape(camera.size, size[::-1]) and not _is_same_shape(camera.size, size)
    if on_its_side and orientation in _QUARTER_TURNS:
        camera = _turned_upright(camera, orientation)
        warnings.append(f"the known camera of {name} is of the photo on its side: turned upright")
    if camera.intrinsics is None and camera.field_of_view_x is not None:
        focal = size[0] / 2 / math.tan(camera.field_of_view_x / 2)
        rows = [[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]]
        return replace(camera, intrinsics=torch.tensor(rows, dtype=torch.float64), size=size)
    if camera.intrinsics is None or camera.size is None or camera.size == size:
        return camera
    if not _is_same_shape(camera.size, size):
        warnings.append(
            f"the known intrinsics of {name} are for {camera.size[0]}x{camera.size[1]} pixels, the "
            f"photo is {size[0]}x{size[1]}, of another shape: they are not used"
        )
        return replace(camera, intrinsics=None)
    ratio = torch.tensor(size, dtype=torch.float64) / torch.tensor(camera.size)
    scaled = scale_intrinsics(camera.intrinsics, ratio, torch.zeros_like(ratio))
    return replace(camera, intrinsics=scaled, size=size)


def _is_same_shape(a: Size | None, b: Size) -> bool:
    """Whether one is the other resized, but for rounding to whole pixels."""
    if a is None:
        return False
    small, large = sorted((a, b))
    ratio = max(large) / max(small)
    return abs(large[0] - ratio * small[0]) <= ratio and abs(large[1] - ratio * small[1]) <= ratio


def _turned_upright(camera: KnownCamera, orientation: int) -> KnownCamera:
    """The same camera, of the photo after its EXIF rotation by a quarter."""
    turn = _QUARTER_TURNS[orientation]
    width, height = camera.size or (0, 0)
    pose, intrinsics = camera.cam_from_world, camera.intrinsics
    if intrinsics is not None:
        (fx, fy), (cx, cy) = intrinsics.diagonal()[:2], intrinsics[:2, 2]
        center = (height - cy, cx) if orientation == 6 else (cy, width - cx)
        intrinsics = torch.tensor(
            [[fy, 0, center[0]], [0, fx, center[1]], [0, 0, 1]], dtype=torch.float64
        )
    return replace(
        camera,
        cam_from_world=None if pose is None else turn @ pose,
        intrinsics=intrinsics,
        size=(height, width),
    )
