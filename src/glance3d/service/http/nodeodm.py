"""The endpoints of NodeODM, so that what drives it (WebODM, ClusterODM, pyodm) can drive this.

As NodeODM has it, a refusal is an answer of status 200 with ``error``.
"""

import json
import os
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

import torch
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from glance3d import __version__
from glance3d.errors import Glance3DError, InputError
from glance3d.files.json_input import parse_json
from glance3d.models.memory.available import available_memory
from glance3d.service.http.endpoints import Endpoint
from glance3d.service.http.jobs import file_or_zip, job_of_form, listed, log_lines, remove_wholly
from glance3d.service.http.service import Service, service_of
from glance3d.service.http.uploads import drain, receive_form, small_body
from glance3d.service.http.views import download_path
from glance3d.service.jobs.names import shown_name
from glance3d.service.jobs.records import Job, JobSettings
from glance3d.service.options import can_refine, formats_on_request
from glance3d.text import visible_text

#: The version of NodeODM whose endpoints these are.
NODE_VERSION = "2.2.1"
_CODES = {"uploading": 10, "queued": 10, "running": 20, "failed": 30, "done": 40, "cancelled": 50}
_IMAGES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_OPTIONS = {"type": "string", "description": 'JSON: [{"name": ..., "value": ...}, ...]'}
_UUID = {"uuid": {"type": "string"}}
Handler = Callable[[Request], Awaitable[Response]]


def _as_node(handler: Handler) -> Handler:
    """What Glance3D refuses, as NodeODM says it; no client is to try the same again."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Glance3DError as error:
            await drain(request, error)
            sentence = visible_text(" ".join(str(error).split()))
            return JSONResponse({"error": sentence, "noRetry": True})

    return answer


@_as_node
async def node_info(request: Request) -> Response:
    """What this node is."""
    service = service_of(request)
    waiting = sum(not job.is_over for job in service.store.jobs())
    return JSONResponse(
        {
            "version": NODE_VERSION,
            "taskQueueCount": waiting,
            "totalMemory": None,
            "availableMemory": available_memory(torch.device("cpu")),
            "cpuCores": os.cpu_count(),
            "maxImages": service.store.limits.job_files,
            "maxParallelTasks": service.options.num_at_once,
            "engine": "glance3d",
            "engineVersion": __version__,
        }
    )


@_as_node
async def node_options(request: Request) -> Response:
    """What a task may ask for."""
    models = service_of(request).models
    formats = ", ".join(formats_on_request())
    return JSONResponse(
        [
            _option("model", "enum", models[0], list(models), "The network."),
            _option(
                "refine",
                "bool",
                str(can_refine()).lower(),
                "bool",
                "Verify and adjust the cameras.",
            ),
            _option("formats", "string", "", "string", f"Besides the usual ones: {formats}."),
            _option("views", "int", "", "positive integer", "At most so many frames of a clip."),
            _option("max-pixels", "int", "", "positive integer", "Pixels a photo is shown with."),
        ]
    )


@_as_node
async def task_new(request: Request) -> Response:
    """A task from one form with everything."""
    service = service_of(request)
    given = request.headers.get("set-uuid")
    job = await job_of_form(request, lambda fields: _settings(service, fields), given)
    return JSONResponse({"uuid": job.id})


@_as_node
async def task_init(request: Request) -> Response:
    """A task whose files come by requests of their own."""
    service = service_of(request)
    store = service.store
    job = store.create(JobSettings(model=service.models[0]), "", request.headers.get("set-uuid"))
    try:
        fields = {}
        if request.headers.get("content-type"):
            fields = (await receive_form(request, store, job.id)).fields
        name = shown_name(fields.get("name", "")) or "task"
        store.change(job.id, name=name, settings=_settings(service, fields))
    except Exception:
        await run_in_threadpool(store.remove, job.id)
        raise
    return JSONResponse({"uuid": job.id})


@_as_node
async def task_upload(request: Request) -> Response:
    """Files for a task; several such requests may run at once."""
    store = service_of(request).store
    form = await receive_form(request, store, store.job(request.path_params["uuid"]).id)
    if not form.files:
        raise InputError("an upload must have files, got none: send them in the field images")
    return JSONResponse({"success": True})


@_as_node
async def task_commit(request: Request) -> Response:
    """All files have come: the task waits for its turn."""
    job = service_of(request).store.queue_up(request.path_params["uuid"])
    return JSONResponse({"uuid": job.id})


@_as_node
async def task_list(request: Request) -> Response:
    """All tasks."""
    return JSONResponse([{"uuid": job.id} for job in listed(service_of(request))])


@_as_node
async def task_info(request: Request) -> Response:
    """A task as it is now; ``with_output`` adds the log from that line on."""
    service = service_of(request)
    job = service.store.job(request.path_params["uuid"])
    described = _describe_task(service, job)
    if "with_output" in request.query_params:
        described["output"] = await _lines(request, "with_output")
    return JSONResponse(described)


@_as_node
async def task_output(request: Request) -> Response:
    """The log from ``line`` on; negative lines count from the end."""
    return JSONResponse(await _lines(request, "line"))


@_as_node
async def task_cancel(request: Request) -> Response:
    """End a task, wherever it is."""
    fields = await _fields(request)
    await run_in_threadpool(service_of(request).runner.cancel, fields.get("uuid", ""))
    return JSONResponse({"success": True})


@_as_node
async def task_remove(request: Request) -> Response:
    """End a task, and remove its files."""
    fields = await _fields(request)
    await run_in_threadpool(remove_wholly, service_of(request), fields.get("uuid", ""))
    return JSONResponse({"success": True})


@_as_node
async def task_restart(request: Request) -> Response:
    """Make a task that is over once more, with other options if some are given."""
    service, fields = service_of(request), await _fields(request)
    job = service.store.job(fields.get("uuid", ""))
    if not job.is_over:
        raise InputError("only a task that is over can be restarted: cancel it first")
    if "options" in fields:
        service.store.change(job.id, settings=_settings(service, fields))
    await run_in_threadpool(service.store.queue_up, job.id)
    return JSONResponse({"success": True})


@_as_node
async def task_download(request: Request) -> Response:
    """``all.zip``, or another download by its name."""
    service = service_of(request)
    job, name = service.store.job(request.path_params["uuid"]), request.path_params["asset"]
    path = download_path(service, job, name)
    if path is None:
        raise InputError("there is no such file of this task (yet)")
    return await file_or_zip(path, name, job.name)


def _option(name: str, kind: str, value: Any, domain: Any, text: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "value": value, "domain": domain, "help": text}


def _settings(service: Service, fields: dict[str, str]) -> JobSettings:
    """Options that are not ours are those of other engines, and passed over."""
    options = parse_json(fields.get("options") or "[]", "options", error=InputError)
    if not isinstance(options, list) or not all(isinstance(one, dict) for one in options):
        raise InputError('options must be a list of {"name": ..., "value": ...}')
    given = {str(one.get("name")): one.get("value") for one in options}
    formats = str(given.get("formats") or "").replace(" ", "")
    settings = JobSettings(
        model=str(given.get("model") or ""),
        refine=_flag(given.get("refine")),
        formats=tuple(filter(None, formats.split(","))),
        views=_whole(given, "views"),
        max_pixels=_whole(given, "max-pixels"),
    )
    return service.checked(settings)


def _flag(value: Any) -> bool | None:
    return None if value in (None, "") else str(value).lower() not in ("false", "0", "no")


def _whole(given: dict[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value in (None, ""):
        return None
    try:
        return int(str(value))
    except ValueError:
        shown = shown_name(str(value))
        raise InputError(f"{name} must be a whole number, got {shown!r}") from None


def _describe_task(service: Service, job: Job) -> dict[str, Any]:
    settings = job.settings
    options = {
        "model": settings.model,
        "refine": settings.refine,
        "formats": ",".join(settings.formats),
        "views": settings.views,
        "max-pixels": settings.max_pixels,
    }
    took = (
        -1 if job.began is None else round(1000 * ((job.ended or service.store.now()) - job.began))
    )
    status: dict[str, Any] = {"code": _CODES[job.state]}
    if job.reason:
        status["errorMessage"] = visible_text(job.reason)
    share = 1.0 if job.state == "done" else service.store.progress(job.id).share
    return {
        "uuid": job.id,
        "name": job.name,
        "dateCreated": round(1000 * job.created),
        "processingTime": took,
        "status": status,
        "options": [{"name": key, "value": value} for key, value in options.items() if value],
        "imagesCount": len(job.files),
        "progress": round(100 * share, 1),
    }


async def _lines(request: Request, parameter: str) -> list[str]:
    lines = await run_in_threadpool(log_lines, service_of(request), request.path_params["uuid"])
    text = request.query_params.get(parameter, "0")
    return lines[int(text) :] if text.lstrip("-").isdigit() and len(text) < 10 else lines


async def _fields(request: Request) -> dict[str, str]:
    """Of a form without files, or of a JSON object."""
    body = (await small_body(request)).decode(errors="replace")
    if request.headers.get("content-type", "").startswith("application/json"):
        record = parse_json(body, "the request", error=InputError)
        items = record.items() if isinstance(record, dict) else ()
        return {key: one if isinstance(one, str) else json.dumps(one) for key, one in items}
    return dict(parse_qsl(body, max_num_fields=16))


def _endpoint(method: Any, path: str, handler: Handler, answer: str, **options: Any) -> Endpoint:
    summary = (handler.__doc__ or "").rstrip(".").replace("``", "")
    return Endpoint(method, path, handler, summary, answer, "NodeODM", **options)


NODE_ENDPOINTS: tuple[Endpoint, ...] = (
    _endpoint("GET", "/info", node_info, "NodeInfo"),
    _endpoint("GET", "/options", node_options, "NodeOptions"),
    _endpoint(
        "POST",
        "/task/new",
        task_new,
        "TaskId",
        form={"name": {"type": "string"}, "options": _OPTIONS, "images": _IMAGES},
    ),
    _endpoint(
        "POST",
        "/task/new/init",
        task_init,
        "TaskId",
        form={"name": {"type": "string"}, "options": _OPTIONS, "images": _IMAGES},
        form_is_required=False,
    ),
    _endpoint("POST", "/task/new/upload/{uuid}", task_upload, "Success", form={"images": _IMAGES}),
    _endpoint("POST", "/task/new/commit/{uuid}", task_commit, "TaskId"),
    _endpoint("GET", "/task/list", task_list, "TaskList"),
    _endpoint(
        "GET",
        "/task/{uuid}/info",
        task_info,
        "TaskInfo",
        query={"with_output": "the line from which the log is added"},
    ),
    _endpoint(
        "GET",
        "/task/{uuid}/output",
        task_output,
        "TaskLines",
        query={"line": "the first line; negative counts from the end"},
    ),
    _endpoint("POST", "/task/cancel", task_cancel, "Success", form=_UUID),
    _endpoint("POST", "/task/remove", task_remove, "Success", form=_UUID),
    _endpoint(
        "POST", "/task/restart", task_restart, "Success", form={**_UUID, "options": _OPTIONS}
    ),
    _endpoint("GET", "/task/{uuid}/download/{asset}", task_download, "application/octet-stream"),
)
