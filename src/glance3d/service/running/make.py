"""What the process of a job does: unpack, look at the photos, make the scene, write it."""

import logging
import os
import traceback
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from glance3d.batches.workers.maker import describe_made, log_to, one_line
from glance3d.errors import Glance3DError, ImageError
from glance3d.exporters import export
from glance3d.exporters.presentation import jpeg_bytes, photo_thumbnail
from glance3d.exporters.table import FORMATS
from glance3d.files.atomic import remove_whole, save_bytes
from glance3d.images import ClipSampling, InputOptions
from glance3d.images.decoding.decode import read_header
from glance3d.images.files.file_kinds import READABLE_SUFFIXES
from glance3d.pipeline import SceneRecipe, make_scene
from glance3d.progress import Listener, progress_told_to, tell_stage
from glance3d.refinement import RefineOptions
from glance3d.service.jobs.limits import Limits
from glance3d.service.jobs.names import ZIP_SUFFIX
from glance3d.service.jobs.records import JobSettings
from glance3d.service.jobs.store import INPUTS, LOG, RESULT, THUMBNAIL, UNPACKED
from glance3d.service.running.outcome import JobOutcome
from glance3d.service.running.task import JobTask
from glance3d.service.running.unpack import unpack_zips
from glance3d.types import Reconstruction

logger = logging.getLogger(__name__)
_THUMBNAIL_SIDE = 480
# The process of a server that ended a moment ago may still be ending.
_WAIT_SECONDS = 30.0


def make_job(task: JobTask, listener: Listener) -> JobOutcome:
    """Make a job's scene; what goes wrong is the outcome's reason, and the log has more."""
    with log_to(task.folder / LOG), progress_told_to(listener):
        try:
            return JobOutcome(result=_make(task))
        except Exception as error:
            logger.warning("failed: %s", one_line(error))
            if not isinstance(error, Glance3DError):
                traceback.print_exc()
            return JobOutcome(one_line(error).replace(f"{task.folder}{os.sep}", ""))


def _make(task: JobTask) -> dict[str, Any]:
    inputs, unpacked = task.folder / INPUTS, task.folder / UNPACKED
    out = task.folder / RESULT
    tell_stage("unpack")
    remove_whole(unpacked)  # of an earlier attempt
    folders = [inputs, unpacked] if unpack_zips(inputs, unpacked, task.limits) else [inputs]
    refuse_large_photos(folders, task.limits)
    made = make_scene(
        [str(folder) for folder in folders if has_inputs(folder)],
        task.source,
        recipe_of(task.settings, task.name),
        out,
        wait_seconds=_WAIT_SECONDS,
        progress=True,
    )
    _write_more(made.scene, out, task.settings.formats)
    thumbnail = jpeg_bytes(photo_thumbnail(made.scene, 0, _THUMBNAIL_SIDE))
    save_bytes(task.folder / THUMBNAIL, thumbnail)
    remove_whole(unpacked)  # the result has copies of the photos
    points = made.scene.sparse
    return {
        **describe_made(made),
        "measured_points": None if points is None else len(points),
        "seconds": (made.report.times or {}).get("total"),
        "units": made.scene.units,
    }


def recipe_of(settings: JobSettings, title: str | None = None) -> SceneRecipe:
    """What is done with a job's photos."""
    changes = {} if settings.max_pixels is None else {"max_pixels": settings.max_pixels}
    return SceneRecipe(
        InputOptions(changes or None, clips=ClipSampling(views=settings.views)),
        refinement=RefineOptions() if settings.refine else None,
        title=title or None,
    )


def has_inputs(folder: Path) -> bool:
    """Whether anything but zips is in it."""
    return any(path.suffix.lower() != ZIP_SUFFIX for path in folder.iterdir())


def refuse_large_photos(folders: Iterable[Path], limits: Limits) -> None:
    """Refuse photos of more pixels than the server decodes, by their headers.

    What cannot be read as a photo is left to those who say why.

    Raises:
        ImageError: the first that is larger.
    """
    for path in chain.from_iterable(sorted(folder.iterdir()) for folder in folders):
        if path.suffix.lower() not in READABLE_SUFFIXES:
            continue
        try:
            width, height = read_header(path).size
        except Glance3DError:
            continue
        if width * height > limits.photo_pixels:
            raise ImageError(
                f"{path.name} is {width}x{height} pixels: this server takes at most "
                f"{limits.photo_pixels / 1e6:g} million a photo; make it smaller"
            )


def _write_more(scene: Reconstruction, out: Path, formats: Iterable[str]) -> None:
    """Formats beside the usual ones; one that this scene cannot be written as is passed over."""
    for name in formats:
        try:
            export(scene, out / FORMATS[name].path_in_folder, name)
        except Glance3DError as error:
            logger.warning("warning: %s is not written: %s", name, one_line(error))
