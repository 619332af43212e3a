"""The whole way from photos to a finished folder: reconstructed, refined, in metres, written."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from glance3d.distributed.group import current_group
from glance3d.exporters import DEFAULT_PERCENTILE, ExportOptions, write_scene_folder
from glance3d.exporters.scene_folder import claim_photos, scene_folder
from glance3d.files.atomic import save_json
from glance3d.images import InputOptions
from glance3d.metric_scale.known_quantities import KnownQuantities, in_metres
from glance3d.models import ModelSource
from glance3d.pass_options import PassOptions
from glance3d.reconstruction import reconstruct_scene
from glance3d.refinement import RefineOptions, refine
from glance3d.reporting.times import peak_process_memory
from glance3d.results import ResultFolder
from glance3d.types import Reconstruction, Report
from glance3d.windows.disk import WindowFolder


@dataclass(frozen=True)
class SceneRecipe:
    """What is done with the photos of a scene, but for the network.

    ``refinement`` None leaves the cameras as the network estimates them. ``densify`` says whether
    refinement measures depth again; None leaves it to the model. ``percentile``, ``max_points``
    and ``title`` are those of :class:`~glance3d.exporters.ExportOptions`.

    Raises:
        InputError: a value is outside its range.
    """

    inputs: InputOptions = field(default_factory=InputOptions)
    passes: PassOptions = field(default_factory=PassOptions)
    refinement: RefineOptions | None = None
    densify: bool | None = None
    known: KnownQuantities = field(default_factory=KnownQuantities)
    percentile: float = DEFAULT_PERCENTILE
    max_points: int | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        """Refuse now what would only come to light when files are written."""
        ExportOptions(percentile=self.percentile, max_points=self.max_points)


@dataclass(frozen=True)
class MadeScene:
    """A scene, the report as it was written, and the files of its folder."""

    scene: Reconstruction
    report: Report
    paths: list[Path]


def make_scene(
    sources: Any,
    source: ModelSource,
    recipe: SceneRecipe,
    out: Path,
    *,
    overwrite: bool = False,
    wait_seconds: float = 0.0,
    before_commit: Callable[[], None] = lambda: None,
    progress: bool = False,
) -> MadeScene:
    """Reconstruct the photos of ``sources``, as the recipe says, and write all formats to ``out``.

    ``before_commit`` is called when all files are written, before they are moved into place; what
    it raises leaves the folder as it was. Another run's writing to the folder is waited for,
    ``wait_seconds`` at most. Of a group of ranks this is the first one's part, and all others call
    :func:`take_part`.

    Raises:
        Glance3DError: a photo, the model or an option cannot be used, or the folder holds what is
            somebody else's; nothing half-written is left.
    """
    group = current_group()
    with (
        scene_folder(out, overwrite=overwrite, wait_seconds=wait_seconds) as result,
        WindowFolder(result.root) as windows,
    ):
        scene = reconstruct_scene(
            sources,
            source,
            recipe.inputs,
            recipe.passes,
            known=recipe.known.cameras,
            on_loaded=partial(claim_photos, result),
            keep_in=windows,
            on_predicted=group.release,
            progress=progress,
        )
        if recipe.refinement is not None:
            scene = refine(
                scene,
                options=recipe.refinement,
                known=recipe.known.cameras,
                network=source.load,
                densify=recipe.densify,
                progress=progress,
            )
        scene = in_metres(scene, recipe.known)
        report, paths = _write(scene, recipe, result, before_commit, progress)
    return MadeScene(scene, report, paths)


def take_part(sources: Any, source: ModelSource, recipe: SceneRecipe) -> None:
    """What all ranks but the first do of :func:`make_scene`: their share of the network's passes.

    Nothing is written, and nothing of the scene is kept.
    """

    def leave() -> None:
        current_group().release()
        raise _EverythingPredicted

    known = recipe.known.cameras
    with suppress(_EverythingPredicted):
        reconstruct_scene(
            sources, source, recipe.inputs, recipe.passes, known=known, on_predicted=leave
        )


class _EverythingPredicted(Exception):  # noqa: N818
    """The rest of the scene is the first rank's."""


def _write(
    scene: Reconstruction,
    recipe: SceneRecipe,
    result: ResultFolder,
    before_commit: Callable[[], None],
    progress: bool,
) -> tuple[Report, list[Path]]:
    """Write every format, then the report once more, which now knows how long writing took."""
    start = time.perf_counter()
    with result.staged(complete=True) as staging:
        paths = write_scene_folder(
            scene,
            result.root,
            percentile=recipe.percentile,
            max_points=recipe.max_points,
            title=recipe.title,
            progress=progress,
        )
        seconds = round(time.perf_counter() - start, 4)
        path = staging.folder / "report.json"
        written = Report.from_json(json.loads(path.read_text(encoding="utf-8")))
        report = _with_writing(written, seconds)
        save_json(path, report.to_json())
        before_commit()
    return report, paths


def _with_writing(report: Report, seconds: float) -> Report:
    """The report with the time and the memory that writing took, which may be the most."""
    memory = {**(report.made.memory or {}), "peak_process": peak_process_memory()}
    return replace(report, made=replace(report.made, memory=memory)).with_seconds("write", seconds)
