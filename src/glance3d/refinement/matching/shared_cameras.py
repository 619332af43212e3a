"""Which photos were taken by one physical camera, and so share focal length and distortion."""

from collections.abc import Hashable, Sequence
from pathlib import Path

from glance3d.types import PhotoMetadata, Reconstruction

_SIZES_OF_ONE_CAMERA = 2


def shared_camera_ids(scene: Reconstruction, camera: str = "auto") -> list[int]:
    """A number a photo; the same number says the same camera.

    Photos of different size never share: their pixels do not. "auto" shares between photos whose
    files name the same camera and focal length. Where files say nothing, equal size is taken for
    one camera, unless the photos are a mixture, as photos collected from many people are: they have
    more than two sizes, upright or not. A wrongly shared focal length costs far more than one that
    could have been shared.
    """
    sizes = [placement.original_size for placement in scene.placements]
    facts = scene.facts or (PhotoMetadata(),) * scene.num_views
    if camera == "per-image":
        return list(range(scene.num_views))
    if camera == "single":
        return _numbers(sizes)
    if camera == "per-folder":
        folders = [str(Path(source).parent) for source in scene.sources]
        return _numbers(list(zip(folders, sizes, strict=True)))
    silent = {
        tuple(sorted(size)) for size, fact in zip(sizes, facts, strict=True) if _says_nothing(fact)
    }
    mixed = len(silent) > _SIZES_OF_ONE_CAMERA
    keys: list[Hashable] = []
    for view, (size, fact) in enumerate(zip(sizes, facts, strict=True)):
        alone = mixed and _says_nothing(fact)
        keys.append(("alone", view) if alone else (size, fact.camera, fact.focal_35mm))
    return _numbers(keys)


def _says_nothing(fact: PhotoMetadata) -> bool:
    return fact.camera is None and fact.focal_35mm is None


def _numbers(keys: Sequence[Hashable]) -> list[int]:
    """Keys as numbers in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]
