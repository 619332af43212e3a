"""The interface for programs and for the page: jobs, and what came of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from glance3d import __version__
from glance3d.images.clips.frame_paths import CLIP_SUFFIXES
from glance3d.images.files.file_kinds import READABLE_SUFFIXES
from glance3d.service.http.service import Service, service_of
from glance3d.service.http.uploads import drain, receive_form
from glance3d.service.http.views import describe_job, describe_jobs, download_path, settings_from
from glance3d.service.http.zip_stream import files_to_zip, zip_chunks
from glance3d.service.jobs.names import ZIP_SUFFIX, shown_name
from glance3d.service.jobs.records import Job, JobSettings
from glance3d.service.jobs.store import LOG, RESULT, THUMBNAIL, UnknownJobError
from glance3d.service.options import can_refine, formats_on_request
from glance3d.text import visible_text

# A result is a page of its own: it may draw itself, and reach nothing.
_SCENE_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
_THEMES = ("light", "dark")
_LOG_BYTES = 256 * 1024


async def health(request: Request) -> Response:
    """Whether the server is up."""
    return JSONResponse({"status": "ok"})


async def describe_server(request: Request) -> Response:
    """What can be chosen, and the limits."""
    service = service_of(request)
    limits = service.store.limits
    return JSONResponse(
        {
            "version": __version__,
            "models": [_describe_model(service, name) for name in service.models],
            "formats": [
                {"name": name, "description": text} for name, text in formats_on_request().items()
            ],
            "can_refine": can_refine(),
            "suffixes": [*READABLE_SUFFIXES, *CLIP_SUFFIXES, ZIP_SUFFIX],
            "clip_suffixes": list(CLIP_SUFFIXES),
            "limits": {
                "job_bytes": limits.job_bytes,
                "job_files": limits.job_files,
                "photo_pixels": limits.photo_pixels,
                "keep_days": limits.keep_days,
            },
        }
    )


async def list_jobs(request: Request) -> Response:
    """All jobs, the newest first."""
    service = service_of(request)
    jobs = await run_in_threadpool(describe_jobs, service, listed(service))
    return JSONResponse({"jobs": jobs[::-1]})


def listed(service: Service) -> list:
    """The jobs that are to be seen: those that are being uploaded are nobody else's yet."""
    return [job for job in service.store.jobs() if job.state != "uploading"]


async def create_job(request: Request) -> Response:
    """A job from one form with photos, clips or zips."""
    service = service_of(request)
    job = await job_of_form(request, lambda fields: service.checked(settings_from(fields)))
    return JSONResponse(describe_job(service, job), 201)


async def job_of_form(
    request: Request,
    settings_of: Callable[[dict[str, str]], JobSettings],
    identity: str | None = None,
) -> Job:
    """A job in the queue from one form with everything; nothing is left of one that is refused."""
    service = service_of(request)
    store, begun = service.store, None
    try:
        begun = store.create(JobSettings(model=service.models[0]), "", identity).id
        form = await receive_form(request, store, begun)
        settings, files = settings_of(form.fields), store.job(begun).files
        name = shown_name(form.fields.get("name", "")) or (
            Path(files[0].name).stem if files else ""
        )
        store.change(begun, name=name, settings=settings)
        return store.queue_up(begun)
    except Exception as error:
        if begun is not None:
            await run_in_threadpool(store.remove, begun)
        await drain(request, error)
        raise


async def show_job(request: Request) -> Response:
    """A job as it is now."""
    service = service_of(request)
    job = service.store.job(request.path_params["id"])
    return JSONResponse(await run_in_threadpool(describe_job, service, job))


async def cancel_job(request: Request) -> Response:
    """End a job, wherever it is."""
    service = service_of(request)
    job = await run_in_threadpool(service.runner.cancel, request.path_params["id"])
    return JSONResponse(describe_job(service, job))


async def restart_job(request: Request) -> Response:
    """Make a job that is over once more."""
    service = service_of(request)
    job = await run_in_threadpool(service.store.queue_up, request.path_params["id"])
    return JSONResponse(describe_job(service, job))


async def remove_job(request: Request) -> Response:
    """Cancel a job if it runs, and remove all that is kept of it."""
    service, identity = service_of(request), request.path_params["id"]
    await run_in_threadpool(remove_wholly, service, identity)
    return Response(status_code=204)


def remove_wholly(service: Service, identity: str) -> None:
    """Cancel, then remove."""
    service.runner.cancel(identity)
    service.store.remove(identity)


async def show_log(request: Request) -> Response:
    """What the library said, at most the last part of it."""
    service = service_of(request)
    lines = await run_in_threadpool(log_lines, service, request.path_params["id"])
    return Response("\n".join(lines), media_type="text/plain; charset=utf-8")


def log_lines(service: Service, identity: str) -> list[str]:
    """Visible lines, without the paths of the server.

    Raises:
        UnknownJobError: there is no such job.
    """
    folder = service.store.folder(identity).absolute()
    try:
        with (folder / LOG).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [visible_text(line.replace(f"{folder}/", "")) for line in text.splitlines()]


async def show_thumbnail(request: Request) -> Response:
    """A small picture of the first photo."""
    path = service_of(request).store.folder(request.path_params["id"]) / THUMBNAIL
    if not path.is_file():
        raise UnknownJobError("there is no picture of this job (yet)")
    return FileResponse(path, media_type="image/jpeg")


async def show_scene(request: Request) -> Response:
    """The scene as a page, to be shown in a frame; ``theme`` overrides what the system asks for."""
    service = service_of(request)
    job = service.store.job(request.path_params["id"])
    path = download_path(service, job, "scene.html")
    if path is None:
        raise UnknownJobError("there is no scene of this job (yet)")
    content = await run_in_threadpool(path.read_bytes)
    theme = request.query_params.get("theme")
    if theme in _THEMES:
        content = content.replace(
            b'<html lang="en"', f'<html data-theme="{theme}" lang="en"'.encode(), 1
        )
    return Response(
        content, media_type="text/html", headers={"Content-Security-Policy": _SCENE_POLICY}
    )


async def download(request: Request) -> Response:
    """A file of the result, or a folder of it as a zip."""
    service = service_of(request)
    job = service.store.job(request.path_params["id"])
    name = request.path_params["name"]
    path = download_path(service, job, name)
    if path is None:
        raise UnknownJobError("there is no such file of this job (yet)")
    return await file_or_zip(path, name, job.name)


async def file_or_zip(path: Path, name: str, title: str) -> Response:
    """A file to keep, called after its job; a folder as a zip."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in title).strip("-")
    saved = f"{plain[:60]}-{name}" if plain else name
    if path.is_file():
        return FileResponse(path, media_type="application/octet-stream", filename=saved)
    top = "" if path.name == RESULT else path.name
    files = await run_in_threadpool(lambda: list(files_to_zip(path, top)))
    return StreamingResponse(
        zip_chunks(files),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{saved}"'},
    )


def _describe_model(service: Service, name: str) -> dict[str, Any]:
    outline = service.options.sources[name].outline()
    card = outline.card
    return {
        "name": name,
        "parameters": None if card is None else card.num_parameters,
        "licence": None if card is None else card.licence,
        "commercial_use": None if card is None else card.commercial,
        "note": "" if card is None else card.note,
    }
