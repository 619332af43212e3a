"""The folder that a command writes a scene to: what it will write is claimed before the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glance3d.images.naming.file_names import Photos
    from glance3d.results import ResultFolder

SCENE_FILE = "scene.npz"


@contextmanager
def scene_folder(
    folder: Path, photos: "Photos | None" = None, *, overwrite: bool
) -> Iterator["ResultFolder"]:
    """Open the folder for a whole scene; ``photos`` are those that are known before the work.

    Raises:
        OutputError: it cannot be written to, another run writes there, or it holds what is
            somebody else's.
    """
    from glance3d.exporters.claims import scene_claims, usual_formats
    from glance3d.results import open_result

    with open_result(folder, overwrite=overwrite) as result:
        result.claim(scene_claims(folder, usual_formats(), photos))
        yield result


def claim_photos(result: "ResultFolder", photos: "Photos") -> None:
    """Claim what bears the photos' names, once they are loaded and before the network runs."""
    from glance3d.exporters.claims import scene_claims, usual_formats

    result.claim(scene_claims(result.root, usual_formats(), photos))
