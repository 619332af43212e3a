"""One scene to one format, or to the folder that holds them all."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from glance3d.errors import InputError, SceneError
from glance3d.exporters.claims import claims_of, scene_claims, usual_formats
from glance3d.exporters.colmap.check import check_colmap_model, colmap_check_warnings
from glance3d.exporters.colmap.export_model import DEFAULT_MAX_POINTS as COLMAP_MAX_POINTS
from glance3d.exporters.options import DEFAULT_PERCENTILE, ExportOptions, WriteResult, build_options
from glance3d.exporters.photos import with_copies
from glance3d.exporters.points.sparse_points import has_measured_points
from glance3d.exporters.table import FORMATS, Exporter
from glance3d.formats.colmap.model import folder_to_write
from glance3d.progress import ProgressBar
from glance3d.results import open_result
from glance3d.types import Reconstruction, ReportWarning
from glance3d.types.report_sections import FilesReport

logger = logging.getLogger(__name__)


# An export takes seconds: one may wait for another into the same folder.
_WAIT_SECONDS = 5.0


def export(
    scene: Reconstruction,
    path: str | Path,
    format: str | None = None,
    *,
    overwrite: bool = False,
    **options: Any,
) -> list[Path]:
    """Write a scene to a file or folder, in one format.

    Args:
        scene: The scene to write.
        path: The file or folder. Existing files are replaced only if Glance3D wrote them and they
            were not changed since.
        format: A key of ``FORMATS``. By default it follows from the path: from its name
            (``cameras.json``, ``transforms.json``, ``gaussians.ply``), its suffix (``.npz``,
            ``.ply``, ``.glb``, ``.html``, ``.laz``, ``.rrd``, ``.tum`` ...) or the name of a folder
            (``sparse``, ``colmap``, ``nerfstudio``, ``depth``, ``images`` ...).
        overwrite: Replace other files as well.
        options: Fields of ``ExportOptions``, such as ``percentile=25`` or ``max_points=100_000``.

    Returns:
        The files that were written.

    Raises:
        InputError: an unknown format or option.
        SceneError: the scene lacks what the format needs.
        OutputError: the file system refuses, or somebody else's files stand there; nothing
            half-written is left.
    """
    path = Path(path)
    name = format or infer_format(path)
    exporter = _exporter(name)
    chosen = build_options(**options)
    reason = exporter.missing_from(scene)
    if reason:
        raise SceneError(f"cannot export to {name}: {reason}; reconstruct it with 'depth' as well")
    root, target = exporter.place(path)
    with open_result(root, overwrite=overwrite, wait_seconds=_WAIT_SECONDS) as result:
        result.claim(claims_of(name, target, root, scene, companions=chosen.companions))
        with result.staged() as staging:
            chosen = replace(chosen, staging=staging)
            written = exporter.write(scene, staging.staged(target), chosen)
    for warning in written.warnings:
        logger.warning("warning: %s", warning)
    return staging.finals(written.paths)


def write_scene_folder(
    scene: Reconstruction,
    out: str | Path,
    *,
    formats: Iterable[str] | None = None,
    percentile: float = DEFAULT_PERCENTILE,
    max_points: int | None = None,
    title: str | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Write everything that ``glance3d reconstruct`` writes into ``out``; return the files.

    They are moved into place as one when all are written, which takes room on the disk for the
    earlier result and the new one. ``formats`` picks some of ``FORMATS``, and what else the folder
    holds stays; without it, an earlier result's files that this scene does not have are removed.
    What the scene has no data for is skipped, with the reason among the warnings in
    ``report.json``, beside those of the reconstruction. ``max_points`` bounds the point clouds (the
    COLMAP model keeps its own lower bound). ``title`` is what ``scene.html`` is called.
    ``overwrite`` allows to replace files that Glance3D did not write.

    Raises:
        OutputError: the file system refuses, or somebody else's files stand there.
    """
    out = Path(out)
    chosen = {name: _exporter(name) for name in (usual_formats() if formats is None else formats)}
    ordered = {
        name: exporter
        for name, exporter in FORMATS.items()
        if name in chosen and (scene.has_masks or not exporter.only_with_masks)
    }
    options = ExportOptions(
        percentile=percentile, max_points=max_points, companions=False, title=title
    )
    held = [name for name, exporter in ordered.items() if exporter.missing_from(scene) is None]
    with open_result(out, overwrite=overwrite) as result:
        result.claim(scene_claims(out, held, scene))
        with result.staged(complete=formats is None) as staging:
            options = replace(options, staging=staging)
            written = _write_formats(scene, staging.folder, ordered, options, progress)
    for warning in written.warnings:
        logger.warning("warning: %s", warning)
    return staging.finals(written.paths)


def _write_formats(
    scene: Reconstruction,
    out: Path,
    ordered: Mapping[str, Exporter],
    options: ExportOptions,
    progress: bool,
) -> WriteResult:
    written = WriteResult(())
    # The scene knows its upright copies by content, so that they come before scene.npz.
    first = sorted(ordered.items(), key=lambda one: one[0] != "images")
    for name, exporter in ProgressBar(first, "writing", unit="file", disable=not progress):
        if name == "report":
            scene = _with_export_report(scene, out, written, options)
        part = _write_one(scene, out, name, exporter, options)
        if name == "images":
            scene = with_copies(scene, map(options.find, part.paths))
        written += part
    return written


def infer_format(path: Path) -> str:
    """The format that a path's name implies.

    Raises:
        InputError: none does; the message lists what would.
    """
    name = path.name.lower()
    for key, exporter in FORMATS.items():  # gaussians.ply is more than any .ply
        if name == exporter.path_in_folder:
            return key
    for key, exporter in FORMATS.items():
        if path.suffix.lower() in exporter.suffixes or name in exporter.folder_names:
            return key
    known = [
        f"{key} ({', '.join(exporter.suffixes) or exporter.path_in_folder})"
        for key, exporter in FORMATS.items()
    ]
    raise InputError(
        f"the name {path.name!r} does not say which format is meant; "
        f"give format= one of: {', '.join(known)}"
    )


def _exporter(name: str) -> Exporter:
    if name not in FORMATS:
        raise InputError(f"unknown export format {name!r}: choose from {', '.join(FORMATS)}")
    return FORMATS[name]


def _write_one(
    scene: Reconstruction, out: Path, name: str, exporter: Exporter, options: ExportOptions
) -> WriteResult:
    """One format of the folder; what the scene cannot give is a warning."""
    if name == "colmap":
        options = replace(
            options, max_points=min(options.max_points or COLMAP_MAX_POINTS, COLMAP_MAX_POINTS)
        )
    reason = exporter.missing_from(scene)
    if reason is None:
        try:
            return exporter.write(scene, out / exporter.path_in_folder, options)
        except SceneError as error:
            reason = str(error)
    return WriteResult((), (f"{exporter.path_in_folder} was not written: {reason}",))


def _with_export_report(
    scene: Reconstruction, out: Path, written: WriteResult, options: ExportOptions
) -> Reconstruction:
    """The scene with what was written, and whether it holds together, added to its report."""
    checks, texts = _checks(scene, out, written)
    earlier = scene.report.export
    section = replace(
        earlier,
        units=scene.units,
        world=scene.world,
        checks={**(earlier.checks or {}), **checks},
        export=FilesReport(
            confidence_percentile_dropped=options.percentile,
            max_points=options.max_points,
            files={
                path.relative_to(out).as_posix(): options.find(path).stat().st_size
                for path in written.paths
            },
        ),
    )
    warnings = (
        *ReportWarning.each("export", "files", written.warnings),
        *ReportWarning.each("export", "checks", texts),
    )
    return replace(scene, report=scene.report.with_section("export", section, warnings))


def _checks(
    scene: Reconstruction, out: Path, written: WriteResult
) -> tuple[dict[str, Any], list[str]]:
    """What the written files say when they are read back, and what is wrong with them."""
    model = folder_to_write(out)
    if model / "points3D.bin" not in written.paths:
        return {}, []
    try:
        numbers = check_colmap_model(model)
    except SceneError as error:
        return {}, [f"the COLMAP model cannot be read back: {error}"]
    measured = has_measured_points(scene)
    check = {"observations": "measured tracks" if measured else "tracks and depth maps", **numbers}
    return {"colmap": check}, colmap_check_warnings(check)
