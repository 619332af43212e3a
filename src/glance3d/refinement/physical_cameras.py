"""Which photos were taken by one physical camera, and so share focal length and distortion."""

from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path

from glance3d.types import PhotoFacts, Reconstruction

_MIXED = 0.5


def group_physical_cameras(scene: Reconstruction, camera: str = "auto") -> list[int]:
    """A number a photo; the same number says the same camera.

    Photos of different size never share: their pixels do not. "auto" shares between photos whose
    files name the same camera and focal length. Where files say nothing, equal size is taken for
    one camera, unless the photos are a mixture (more than half as many sizes as photos), as
    photos collected from many people are.
    """
    sizes = [placement.original_size for placement in scene.placements]
    facts = scene.facts or (PhotoFacts(),) * scene.num_views
    if camera == "per-image":
        return list(range(scene.num_views))
    if camera == "single":
        return _numbers(sizes)
    if camera == "per-folder":
        folders = [str(Path(source).parent) for source in scene.sources]
        return _numbers(list(zip(folders, sizes, strict=True)))
    mixed = len(set(sizes)) > 1 and len(set(sizes)) > _MIXED * scene.num_views
    keys: list[Hashable] = []
    for view, (size, fact) in enumerate(zip(sizes, facts, strict=True)):
        silent = fact.camera is None and fact.focal_35mm is None
        keys.append(("alone", view) if silent and mixed else (size, fact.camera, fact.focal_35mm))
    return _numbers(keys)


def num_photos_of_each(groups: Sequence[int]) -> dict[int, int]:
    """How many photos each camera took."""
    return dict(Counter(groups))


def _numbers(keys: Sequence[Hashable]) -> list[int]:
    """Keys as numbers in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]
