"""Results of Glance3D among files that were found: they are never taken for photos."""

from pathlib import Path

from glance3d.errors import SceneError
from glance3d.files.json_input import read_json_object
from glance3d.results import is_own_result, read_manifest

_SCENE_FILE, _REPORT_FILE = "scene.npz", "report.json"
_COPIES = ("images", "images_upright")
_FOLDERS = ("depth", "masks", *_COPIES)


def is_own(path: Path) -> bool:
    """Whether a file is a result: a manifest names it, or it lies where scenes without one have it.

    Photos that a scene was made from are none, wherever they lie.
    """
    return is_own_result(path) or _is_of_scene_without_manifest(path)


def is_folder_of_copies(folder: Path) -> bool:
    """Whether a folder holds a scene's upright copies of its photos, which are photos as well."""
    if folder.resolve().name not in _COPIES:
        return False
    return any(path.is_file() and is_own(path) for path in folder.iterdir())


def _is_of_scene_without_manifest(path: Path) -> bool:
    folder = path.absolute().parent
    home = folder.parent
    if folder.name not in _FOLDERS or not (home / _SCENE_FILE).is_file():
        return False
    if read_manifest(home) is not None:
        return False
    return folder.name not in _COPIES or path.resolve() not in _sources_of(home)


def _sources_of(home: Path) -> set[Path]:
    """The photos of a scene, as its report names them."""
    try:
        views = read_json_object(home / _REPORT_FILE, error=SceneError).get("views")
    except SceneError:
        return set()
    entries = views if isinstance(views, list) else []
    sources = (entry.get("source") for entry in entries if isinstance(entry, dict))
    return {Path(source).resolve() for source in sources if isinstance(source, str)}
