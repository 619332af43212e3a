"""Tracks as files: JSON for programs, CSV for spreadsheets, pictures for people."""

import csv
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from glance3d.errors import InputError
from glance3d.files.atomic import save_bytes, save_json
from glance3d.results import Claims, ResultFolder, open_result, read_manifest
from glance3d.tracking.drawing import Picture, save_animation, save_contact_sheet
from glance3d.tracking.methods import Thresholds, thresholds_of
from glance3d.tracking.visible import query_views, visible_tracks
from glance3d.types import Reconstruction
from glance3d.types.json_record import to_json

SCHEMA = "glance3d.tracks/1"
ANIMATIONS = ("webp", "mp4")
TRACKS_FOLDER = "tracks"
_COLUMNS = ("track", "view", "photo", "x", "y", "visibility", "confidence", "visible", "query")


def to_document(scene: Reconstruction, thresholds: Thresholds) -> dict[str, Any]:
    """JSON-ready: the photos, what the numbers mean, and for each track one entry a photo.

    Pixels are those of the original, upright photos, the top-left pixel's centre at (0.5, 0.5);
    null where the place is not known. ``visible`` applies the thresholds that are stated.
    """
    tracks = scene.tracks
    assert tracks is not None
    own, flags = query_views(tracks).tolist(), visible_tracks(tracks, thresholds).tolist()
    positions = tracks.positions.tolist()
    visibility, confidence = tracks.visibility.tolist(), tracks.confidence.tolist()
    return {
        "schema": SCHEMA,
        "model": scene.model,
        **to_json(scene.report.tracks or {}),
        **asdict(thresholds),
        "pixel_convention": "original upright photo, centre of the top-left pixel at (0.5, 0.5)",
        "photos": [
            {"name": name, "source": source, "size": placement.original_size}
            for name, source, placement in zip(
                scene.names, scene.sources, scene.placements, strict=True
            )
        ],
        "tracks": [
            {
                "query": {"view": own[q], "pixel": positions[own[q]][q]},
                "observations": [
                    {
                        "view": view,
                        "pixel": _known(positions[view][q]),
                        "visibility": round(visibility[view][q], 4),
                        "confidence": round(confidence[view][q], 4),
                        "visible": flags[view][q],
                    }
                    for view in range(scene.num_views)
                ],
            }
            for q in range(len(own))
        ],
    }


def _known(pixel: list[float]) -> list[float] | None:
    return None if any(math.isnan(value) for value in pixel) else [round(v, 3) for v in pixel]


def save_tracks(
    scene: Reconstruction,
    picture: Picture,
    folder: Path,
    thresholds: Thresholds | None = None,
    *,
    animation: str = "webp",
    overwrite: bool = False,
) -> tuple[dict[str, Any], list[Path]]:
    """Write ``tracks.json``, ``tracks.csv``, ``tracks.png``, and ``tracks.webp`` or ``.mp4``.

    ``picture(view)`` is an original photo, uint8 ``[height, width, 3]``. The thresholds are those
    of the method that followed the points, unless others are given. The CSV has a row for each
    track and photo. ``overwrite`` allows to replace files that Glance3D did not write. Returns the
    content of ``tracks.json`` and the paths.

    Raises:
        OutputError: the file system refuses, or somebody else's files stand there.
        InputError: the scene has no tracks.
        MissingExtraError: ``animation`` is "mp4", and PyAV is not installed.
    """
    if animation not in ANIMATIONS:
        raise InputError(f"animation must be one of {', '.join(ANIMATIONS)}, got {animation!r}")
    if scene.tracks is None:
        raise InputError("this scene has no tracks: make them with glance3d.track")
    if thresholds is None:
        thresholds = thresholds_of(scene.tracked_by or "network")
    document = to_document(scene, thresholds)
    visible = visible_tracks(scene.tracks, thresholds)
    with open_tracks(folder, overwrite=overwrite) as result, result.staged() as staging:
        out = staging.staged(folder)
        table = _to_csv(document).encode(errors="backslashreplace")
        paths = [
            save_json(out / "tracks.json", document),
            save_bytes(out / "tracks.csv", table),
            save_contact_sheet(scene, picture, visible, out / "tracks.png"),
            save_animation(scene, picture, visible, out / f"tracks.{animation}"),
        ]
    return document, staging.finals(paths)


@contextmanager
def open_tracks(folder: Path, *, overwrite: bool = False) -> Iterator[ResultFolder]:
    """Open the folder for tracks: that of a scene if it is its ``tracks/``, which go with it.

    Raises:
        OutputError: it cannot be written to, or holds somebody else's files of such names.
    """
    is_part = folder.name == TRACKS_FOLDER and read_manifest(folder.parent) is not None
    root = folder.parent if is_part else folder
    inside = folder.relative_to(root)
    names = [f"tracks.{suffix}" for suffix in ("json", "csv", "png", *ANIMATIONS)]
    paths = tuple((inside / name).as_posix() for name in names)
    with open_result(root, overwrite=overwrite) as result:
        result.claim(Claims(files=paths[:3], absent=paths))
        yield result


def _to_csv(document: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for number, track in enumerate(document["tracks"]):
        for seen in track["observations"]:
            view = seen["view"]
            x, y = seen["pixel"] or ("", "")
            numbers = (seen["visibility"], seen["confidence"], int(seen["visible"]))
            is_query = int(view == track["query"]["view"])
            writer.writerow(
                (number, view, document["photos"][view]["name"], x, y, *numbers, is_query)
            )
    return text.getvalue()
