"""Small results to write, and what a folder holds."""

from collections.abc import Mapping
from pathlib import Path

from glance3d.files.atomic import save_bytes
from glance3d.results import MANIFEST_FILE, Claims, open_result

OLD = {"scene.npz": "old scene", "depth/a.png": "old a", "depth/b.png": "old b", "m/b.png": "old m"}
NEW = {"scene.npz": "new scene", "depth/a.png": "new a", "sub/deep/c": "new c"}


def write_result(root: Path, files: Mapping[str, str], *, complete=True, overwrite=False) -> None:
    with open_result(root, overwrite=overwrite) as result:
        result.claim(Claims(tuple(files)))
        with result.staged(complete=complete) as staging:
            for name, text in files.items():
                save_bytes(staging.folder / name, text.encode())


def write_files(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def content(root: Path) -> dict[str, str]:
    """Every file below but the manifest."""
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and path.name != MANIFEST_FILE
    }
