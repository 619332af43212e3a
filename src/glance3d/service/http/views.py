"""Jobs as clients see them."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from glance3d.errors import InputError
from glance3d.exporters.table import FORMATS
from glance3d.files.json_input import parse_json_object
from glance3d.service.http.service import Service
from glance3d.service.jobs.names import shown_name
from glance3d.service.jobs.records import Job, JobSettings
from glance3d.service.jobs.store import RESULT, THUMBNAIL, UnknownJobError
from glance3d.text import visible_text
from glance3d.types.json_record import from_json, known_fields, to_json

STAGE_WORDS = {
    "": "starting",
    "unpack": "looking at the upload",
    "load_model": "loading the network",
    "load_images": "reading photos",
    "predict": "the network looks",
    "to_scene": "points from depth",
    "register": "matching photos",
    "assemble": "adjusting cameras",
    "align_depth": "fitting depth",
    "densify": "measuring depth",
    "consistency": "comparing views",
    "trust": "judging every photo",
    "write": "writing files",
}
#: Downloads by their names: what is in the result, and what it is; a folder comes as a zip.
DOWNLOADS = {
    "all.zip": ("", "everything"),
    "scene.html": ("scene.html", "the page, in one file"),
    "colmap.zip": ("sparse", "COLMAP model"),
    "points.ply": ("points.ply", "point cloud"),
    "scene.glb": ("scene.glb", "for Blender and 3-D viewers"),
    "transforms.json": ("transforms.json", "nerfstudio"),
    "cameras.json": ("cameras.json", "cameras"),
    "depth.zip": ("depth", "depth maps"),
    "images.zip": ("images", "photos, upright"),
    "scene.npz": ("scene.npz", "to load again"),
    "report.json": ("report.json", "how it was made"),
}


def download_path(service: Service, job: Job, name: str) -> Path | None:
    """What a download of a finished job is made of; None if there is none of this name."""
    if job.state != "done":
        return None
    inside = {key: path for key, (path, _) in DOWNLOADS.items()}
    inside |= {key: path for key, (path, _) in _requested(job).items()}
    if name not in inside:
        return None
    path = service.store.folder(job.id) / RESULT / inside[name]
    return path if path.exists() else None


def describe_jobs(service: Service, jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """Jobs for a client, without those that are removed meanwhile: no path of ours is in them."""
    places, described = service.store.places(), []
    for job in jobs:
        with suppress(UnknownJobError):
            described.append(_describe(service, job, places.get(job.id)))
    return described


def describe_job(service: Service, job: Job) -> dict[str, Any]:
    """One job for a client.

    Raises:
        UnknownJobError: it is removed meanwhile.
    """
    return _describe(service, job, service.store.places().get(job.id))


def _describe(service: Service, job: Job, place: int | None) -> dict[str, Any]:
    store = service.store
    progress = store.progress(job.id)
    running = job.state == "running"
    return {
        "id": job.id,
        "number": job.number,
        "name": job.name,
        "state": job.state,
        "place": place,
        "settings": to_json(job.settings),
        "files": len(job.files),
        "bytes": sum(one.size for one in job.files),
        "created": job.created,
        "began": job.began,
        "ended": job.ended,
        "reason": visible_text(job.reason),
        "progress": {
            "stage": progress.stage,
            "words": STAGE_WORDS.get(progress.stage, progress.stage),
            "done": progress.done,
            "total": progress.total,
            "share": 1.0 if job.state == "done" else progress.share,
        }
        if running or job.state == "done"
        else None,
        "result": to_json(job.result) if job.state == "done" else None,
        "thumbnail": job.state == "done" and (store.folder(job.id) / THUMBNAIL).is_file(),
        "downloads": _downloads(service, job),
    }


def settings_from(fields: dict[str, str]) -> JobSettings:
    """Settings from a form's field ``settings``, which is JSON.

    Raises:
        InputError: it is none, or names what is no setting.
    """
    record = parse_json_object(fields.get("settings", "{}"), "settings", error=InputError)
    known = {one.name for one in known_fields(JobSettings)}
    if unknown := sorted(set(record) - known):
        raise InputError(
            f"settings must be of {', '.join(sorted(known))}, got {shown_name(unknown[0])!r}"
        )
    try:
        return from_json(JobSettings, record)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"the setting {error}: see /openapi.json") from error


def _requested(job: Job) -> dict[str, tuple[str, str]]:
    requested = {}
    for name in job.settings.formats:
        if name in FORMATS:
            path = FORMATS[name].path_in_folder
            key = path if "." in path else f"{path}.zip"
            requested[key] = path, FORMATS[name].description.partition(";")[0].partition(":")[0]
    return requested


def _downloads(service: Service, job: Job) -> list[dict[str, Any]]:
    known = {**DOWNLOADS, **_requested(job)}
    listed = []
    for name, (_, description) in known.items():
        path = download_path(service, job, name)
        if path is not None:
            size = path.stat().st_size if path.is_file() else None
            listed.append({"name": name, "description": description, "bytes": size})
    return listed
