"""Match known cameras to photos by name."""

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from glance3d.errors import CamerasError
from glance3d.files.name_keys import composed, name_key
from glance3d.images import READABLE_SUFFIXES
from glance3d.known_cameras.sentences import some


def match_names(
    cameras: Sequence[str | None],
    names: Sequence[str],
    paths: Sequence[str],
    source: str,
) -> tuple[list[int | None], list[str]]:
    """For each photo the index of its camera, and warnings of names that are only alike.

    A camera is a photo's whose file name it has; else whose file name it has but for case; else
    whose name without a suffix. A photo is called as in ``names`` or as its file in ``paths``.
    Composed and decomposed characters are the same. Where several have the name, the innermost
    folders that a camera's name shares with the photo's path decide.

    Raises:
        CamerasError: no photo has a camera, or it is not clear which.
    """
    known = [composed(name or "").replace("\\", "/") for name in cameras]
    keys = [_keys_of_photo(name, path) for name, path in zip(names, paths, strict=True)]
    folders = [_folders(path) for path in paths]
    camera_indices: list[int | None] = [None] * len(names)
    warnings: list[str] = []
    for level in _LEVELS:
        places = _places([level.key(name) for name in known])
        free = set(range(len(known))) - {index for index in camera_indices if index is not None}
        claims: dict[int, list[int]] = {}
        for view in [view for view, index in enumerate(camera_indices) if index is None]:
            candidates = {i for key in keys[view] for i in places.get(level.key(key), ())} & free
            index = _nearest(sorted(candidates), folders[view], known, source, names[view])
            if index is not None:
                claims.setdefault(index, []).append(view)
        for index, views in claims.items():
            camera_indices[_view_nearest_to(views, index, folders, known, names, source)] = index
        warnings += level.warnings(
            [views[0] for views in claims.values()], camera_indices, names, known
        )
    if all(index is None for index in camera_indices):
        raise CamerasError(
            f"none of the photos ({some(names)}) is in {source}, which knows {some(known)}: "
            "names must be the same"
        )
    return camera_indices, warnings


class _Level:
    """One way to compare names: what of them must be the same, and what to warn of."""

    def __init__(self, key: Callable[[str], str], differs: Callable[[str], str], what: str) -> None:
        self.key, self.differs, self.what = key, differs, what

    def warnings(
        self,
        views: Sequence[int],
        camera_indices: Sequence[int | None],
        names: Sequence[str],
        known: Sequence[str],
    ) -> list[str]:
        """One sentence if names that count as the same differ in what they should not."""
        pairs = [
            (names[view], PurePosixPath(known[index]).name)
            for view in views
            if (index := camera_indices[view]) is not None
        ]
        odd = [
            f"{PurePosixPath(camera).name} for {name}"
            for name, camera in pairs
            if self.differs(camera) and self.differs(camera) != self.differs(composed(name))
        ]
        if not self.what or not odd:
            return []
        return [f"names of known cameras differ from the photos' {self.what}: {some(odd)}"]


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _suffix(path: str) -> str:
    suffix = PurePosixPath(path.lower()).suffix
    return suffix if suffix in READABLE_SUFFIXES else ""


def _stem(path: str) -> str:
    """The file name without an image's suffix (``1305.23`` has none), without regard to case."""
    name = PurePosixPath(name_key(path))
    return name.stem if name.suffix in READABLE_SUFFIXES else name.name


_LEVELS = (
    _Level(_name, _name, ""),
    _Level(lambda path: name_key(_name(path)), _name, "in case"),
    _Level(_stem, _suffix, "in their suffix"),
)


def _keys_of_photo(name: str, path: str) -> list[str]:
    file = composed(path).replace("\\", "/")
    return list(dict.fromkeys([composed(name), PurePosixPath(file).name]))


def _places(keys: list[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key:
            places.setdefault(key, []).append(index)
    return places


def _nearest(
    candidates: list[int],
    folders: Sequence[str],
    known: Sequence[str],
    source: str,
    name: str,
) -> int | None:
    """The camera whose folders the photo's path shares most of, if there are several."""
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    shared = [_num_shared(_folders(known[index]), folders) for index in candidates]
    best = [i for i, count in zip(candidates, shared, strict=True) if count == max(shared)]
    if len(best) > 1:
        both = " and ".join(repr(known[index]) for index in best[:2])
        raise CamerasError(
            f"it is not clear which camera of {source} is {name}'s: {both} have its name; give the "
            "photos different names"
        )
    return best[0]


def _view_nearest_to(
    views: list[int],
    index: int,
    folders: Sequence[Sequence[str]],
    known: Sequence[str],
    names: Sequence[str],
    source: str,
) -> int:
    """Of several photos that would have one camera the one whose folders it shares."""
    shared = [_num_shared(_folders(known[index]), folders[view]) for view in views]
    best = [view for view, count in zip(views, shared, strict=True) if count == max(shared)]
    if len(best) > 1:
        raise CamerasError(
            f"{some([names[view] for view in best])} would all have the camera of {known[index]} "
            f"in {source}: name each as the file does"
        )
    return best[0]


def _folders(path: str) -> list[str]:
    """The folders of a path, the innermost first, without regard to case."""
    return list(PurePosixPath(name_key(path).replace("\\", "/")).parts[-2::-1])


def _num_shared(a: Sequence[str], b: Sequence[str]) -> int:
    count = 0
    for first, second in zip(a, b, strict=False):
        if first != second:
            break
        count += 1
    return count
