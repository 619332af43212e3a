"""Match known cameras to photos, and convert them to the photos' own pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glance3d.known_cameras.cameras import KnownCamera, KnownCameras
from glance3d.known_cameras.matching.fitting import Size, fit_camera, possible_readings
from glance3d.known_cameras.matching.names import match_names
from glance3d.known_cameras.matching.orientation import is_mirrored
from glance3d.known_cameras.matching.time_stamps import match_times
from glance3d.known_cameras.sentences import Sentences, some
from glance3d.known_cameras.views import KnownViews
from glance3d.types import ImageBatch, Reconstruction


def match_known_cameras(known: KnownCameras, scene: Reconstruction | ImageBatch) -> KnownViews:
    """What is known of a scene's photos, or of those that will be one; see :func:`match_views`."""
    return match_views(
        known,
        scene.names,
        [placement.original_size for placement in scene.placements],
        sources=scene.sources,
        orientations=[placement.exif_orientation for placement in scene.placements],
    )


def match_views(
    known: KnownCameras,
    names: Sequence[str],
    sizes: Sequence[Size],
    *,
    sources: Sequence[str] | None = None,
    orientations: Sequence[int] | None = None,
) -> KnownViews:
    """What is known of photos with these names and upright sizes (width, height).

    Names are compared as in :func:`glance3d.known_cameras.matching.names.match_names`; trajectories
    are matched by time stamps in the names, or by order if there are as many poses as photos.
    Intrinsics of another size of the same shape are scaled; those of another shape are not used,
    with a warning. Cameras of a photo as it is stored are turned upright (``orientations`` are
    EXIF's), where the size tells it; where it does not, ``as_stored`` of the result is the other
    reading. Whatever is not used is named in ``warnings``.

    Raises:
        CamerasError: no photo is known, or it is not clear which camera is whose.
    """
    warnings = list(known.warnings)
    by_time = all(camera.name is None for camera in known.cameras)
    if by_time:
        times = [camera.time for camera in known.cameras]
        camera_indices, matched_by = match_times(names, times, known.source)
    else:
        paths = names if sources is None else sources
        camera_indices, differing = match_names(
            [camera.name for camera in known.cameras], names, paths, known.source
        )
        warnings += differing
        matched_by = "file names"
    orientations = [1] * len(names) if orientations is None else orientations
    photos = [
        _Photo(name, size, orientation, None if index is None else known.cameras[index])
        for name, size, orientation, index in zip(
            names, sizes, orientations, camera_indices, strict=True
        )
    ]
    used = set(camera_indices)
    unused = tuple(
        camera.name or f"time {camera.time}"
        for index, camera in enumerate(known.cameras)
        if index not in used
    )
    if not known.is_partial:
        warnings += _coverage_warnings(known, photos, () if by_time else unused)
    readings = [
        _reading(known, photos, is_stored, matched_by, unused, warnings)
        for is_stored in _stored_flags(photos)
    ]
    return _with_alternative(readings[0], readings[-1], photos)


@dataclass(frozen=True)
class _Photo:
    """A photo and the camera that it has in the file."""

    name: str
    size: Size
    orientation: int
    camera: KnownCamera | None

    @property
    def readings(self) -> tuple[bool, ...]:
        """Whether its camera may be of the upright picture (False), of the stored one (True)."""
        if self.camera is None:
            return (False,)
        return possible_readings(self.camera, self.size, self.orientation)


def _stored_flags(photos: Sequence[_Photo]) -> list[list[bool]]:
    """For each reading whether each photo's camera is of the stored pixels; the likelier first.

    A program either heeds EXIF or does not: where sizes tell it of some photos, all are alike.
    """
    settled = {photo.readings[0] for photo in photos if _is_telling(photo)}
    ambiguous = [len(photo.readings) > 1 for photo in photos]
    fixed = [photo.readings[0] for photo in photos]
    if len(settled) == 1 or not any(ambiguous):
        common = settled == {True}
        return [[common if a else f for a, f in zip(ambiguous, fixed, strict=True)]]
    return [
        [choice if a else f for a, f in zip(ambiguous, fixed, strict=True)]
        for choice in (False, True)
    ]


def _is_telling(photo: _Photo) -> bool:
    return photo.camera is not None and photo.orientation > 1 and len(photo.readings) == 1


def _reading(
    known: KnownCameras,
    photos: Sequence[_Photo],
    is_stored: Sequence[bool],
    matched_by: str,
    unused: tuple[str, ...],
    warnings: Sequence[str],
) -> KnownViews:
    """What the file says if the cameras of some photos are of their stored pixels."""
    notes = Sentences()
    rows = [
        KnownCamera(None)
        if photo.camera is None
        else fit_camera(
            photo.camera, photo.name, photo.size, photo.orientation if stored else 1, notes
        )
        for photo, stored in zip(photos, is_stored, strict=True)
    ]
    turned = [p for p, stored in zip(photos, is_stored, strict=True) if stored]
    return KnownViews(
        names=tuple(photo.name for photo in photos),
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
        unused=unused,
        warnings=(*warnings, *notes.sentences(), *_turned_warnings(turned)),
    )


def _stacked(matrices: list[Tensor | None], shape: tuple[int, int]) -> Tensor:
    unknown = torch.full(shape, torch.nan, dtype=torch.float64)
    return torch.stack([unknown if matrix is None else matrix for matrix in matrices])


def _with_alternative(
    upright: KnownViews, stored: KnownViews, photos: Sequence[_Photo]
) -> KnownViews:
    """The first reading, with the second where that says anything else."""
    if upright is stored:
        return upright
    differs = [
        photo.name
        for view, photo in enumerate(photos)
        if not (
            torch.allclose(
                upright.cam_from_world[view], stored.cam_from_world[view], equal_nan=True
            )
            and torch.allclose(
                upright.intrinsics[view], stored.intrinsics[view], atol=0.5, equal_nan=True
            )
        )
    ]
    return replace(upright, ambiguous=tuple(differs), as_stored=stored) if differs else upright


def _turned_warnings(turned: Sequence[_Photo]) -> list[str]:
    """That cameras were turned, and that poses of mirrored photos are lost."""
    if not turned:
        return []
    values = ", ".join(map(str, sorted({photo.orientation for photo in turned})))
    warnings = [
        f"the known cameras of {some([photo.name for photo in turned])} are of the photos as they "
        f"are stored (EXIF orientation {values}): turned upright"
    ]
    mirrored = [
        photo.name
        for photo in turned
        if is_mirrored(photo.orientation)
        and photo.camera is not None
        and photo.camera.cam_from_world is not None
    ]
    if mirrored:
        warnings.append(
            f"the known poses of {some(mirrored)} are of mirrored pixels, which no camera takes: "
            "they are not used"
        )
    return warnings


def _coverage_warnings(
    known: KnownCameras, photos: Sequence[_Photo], unused: Sequence[str]
) -> list[str]:
    """Cameras without a photo, photos without a camera, or with less than the others have."""
    warnings = []
    if unused:
        warnings.append(
            f"{len(unused)} of {len(known)} cameras in {known.source} are of none of these photos: "
            f"{some(unused)}"
        )
    strangers = [photo.name for photo in photos if photo.camera is None]
    if strangers:
        warnings.append(
            f"{len(strangers)} of {len(photos)} photos have no camera in {known.source}: "
            f"{some(strangers)}"
        )
    cameras = [(photo.name, photo.camera) for photo in photos if photo.camera is not None]
    poseless = [name for name, camera in cameras if camera.cam_from_world is None]
    if 0 < len(poseless) < len(cameras):
        warnings.append(
            f"{known.source} has no pose of {len(poseless)} of its photos: {some(poseless)}"
        )
    return warnings
