"""A folder for a whole scene: opened, and what will be written there claimed before the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glance3d.exporters.claims import scene_claims, usual_formats
from glance3d.images.naming.file_names import Photos
from glance3d.results import ResultFolder, open_result


@contextmanager
def scene_folder(
    folder: Path,
    photos: Photos | None = None,
    *,
    overwrite: bool,
    wait_seconds: float = 0.0,
) -> Iterator[ResultFolder]:
    """Open the folder for a whole scene; ``photos`` are those that are known before the work.

    Raises:
        OutputError: it cannot be written to, another run writes there (still after
            ``wait_seconds``), or it holds what is somebody else's.
    """
    with open_result(folder, overwrite=overwrite, wait_seconds=wait_seconds) as result:
        result.claim(scene_claims(folder, usual_formats(), photos))
        yield result


def claim_photos(result: ResultFolder, photos: Photos) -> None:
    """Claim what bears the photos' names, once they are loaded and before the network runs."""
    result.claim(scene_claims(result.root, usual_formats(), photos))
