"""Which photos were taken by one physical camera, and so share focal length and distortion."""

from collections.abc import Hashable, Sequence
from pathlib import Path

from glance3d.types import ImageBatch, PhotoMetadata, Placement

# One camera may take photos of two sizes (a crop, or another setting); photos of more sizes come
# from many cameras.
_SIZES_OF_ONE_CAMERA = 2


def physical_camera_ids(
    placements: Sequence[Placement],
    metadata: Sequence[PhotoMetadata],
    sources: Sequence[str] = (),
    camera: str = "auto",
) -> list[int]:
    """A number a photo; the same number says the same camera.

    Photos of different size never share: their pixels do not. "auto" shares between photos whose
    files name the same camera and focal length. Where files say nothing, equal size is taken for
    one camera, unless the photos are a mixture, as photos collected from many people are: they have
    more than two sizes, upright or not. A wrongly shared focal length costs far more than one that
    could have been shared. ``camera`` may also be "single", "per-image", or "per-folder", for which
    ``sources`` are needed.
    """
    sizes = [placement.original_size for placement in placements]
    if camera == "per-image":
        return list(range(len(sizes)))
    if camera == "single":
        return _numbers(sizes)
    if camera == "per-folder":
        folders = [str(Path(source).parent) for source in sources]
        return _numbers(list(zip(folders, sizes, strict=True)))
    return _stated_or_by_size(sizes, metadata)


def unstated_lens_ids(batch: ImageBatch) -> list[int] | None:
    """As :func:`physical_camera_ids`, but a photo that is held sideways shares its lens.

    None where there is one lens, or the focal lengths of all are known.
    """
    known = batch.focal_lengths
    if known is not None and not bool(known.isnan().any()):
        return None
    sizes = [_upright(placement.original_size) for placement in batch.placements]
    ids = _stated_or_by_size(sizes, batch.metadata)
    return ids if len(set(ids)) > 1 else None


def _stated_or_by_size(
    sizes: Sequence[tuple[int, int]], metadata: Sequence[PhotoMetadata]
) -> list[int]:
    """A number for each thing that files state, or for each size where they say nothing."""
    photos = metadata or (PhotoMetadata(),) * len(sizes)
    unstated_sizes = {
        _upright(size) for size, photo in zip(sizes, photos, strict=True) if _is_unstated(photo)
    }
    is_mixture = len(unstated_sizes) > _SIZES_OF_ONE_CAMERA
    keys: list[Hashable] = []
    for view, (size, photo) in enumerate(zip(sizes, photos, strict=True)):
        is_single = is_mixture and _is_unstated(photo)
        keys.append(("single", view) if is_single else (size, photo.camera, photo.focal_35mm))
    return _numbers(keys)


def _upright(size: tuple[int, int]) -> tuple[int, int]:
    """Upright or not, photos of one camera have the same two sides."""
    return min(size), max(size)


def _is_unstated(photo: PhotoMetadata) -> bool:
    """Whether the file says nothing of its camera."""
    return photo.camera is None and photo.focal_35mm is None


def _numbers(keys: Sequence[Hashable]) -> list[int]:
    """Keys as numbers in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]
