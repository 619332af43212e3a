"""The folder that results go to."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from glance3d.errors import OutputError
from glance3d.files import folder_made, output_error

SCENE_FILE = "scene.npz"
# Results that would take the place of a file or folder of the same name. Photos in images/ are not
# among them: a photo of the user's is never written over.
REPLACED = (
    "cameras.json",
    "depth",
    "points.ply",
    "report.json",
    "scene.glb",
    "scene.html",
    "sparse/0",
    "transforms.json",
)


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Make the folder and prove that it can be written to, before the long work in the block.

    When the work fails before it has written anything, the folders made for it are gone again. A
    folder with a ``scene.npz`` is an earlier result, which may be replaced. One without, in which a
    result would replace something, belongs to somebody else: its cameras could be the truth.

    Raises:
        OutputError: the folder cannot be made or written to, or holds what must not be lost.
    """
    # Only what preparing the folder meets is named after it, not what the block raises.
    with ExitStack() as stack:
        try:
            stack.enter_context(folder_made(folder))
            probe = folder / f".tmp-{secrets.token_hex(6)}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise output_error(folder, error) from error
        _refuse_foreign(folder)
        yield


def _refuse_foreign(folder: Path) -> None:
    foreign = [name for name in REPLACED if (folder / name).exists()]
    if foreign and not (folder / SCENE_FILE).is_file():
        raise OutputError(
            f"{folder} already holds {', '.join(foreign)}, and they are no result of Glance3D "
            f"(there is no {SCENE_FILE}): choose another folder"
        )
