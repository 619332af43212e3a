"""The application: all endpoints behind the guard, and what failures are answered with."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from glance3d.errors import Glance3DError, InputError, OutputError
from glance3d.service.http import events, jobs, pages
from glance3d.service.http.endpoints import Endpoint
from glance3d.service.http.guard import Guard
from glance3d.service.http.nodeodm import NODE_ENDPOINTS
from glance3d.service.http.openapi import build_document
from glance3d.service.http.service import Service
from glance3d.service.http.uploads import NoLengthError, TooLargeError, TooSlowError
from glance3d.service.jobs.store import NoRoomError, UnknownJobError
from glance3d.text import visible_text

_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_NEW_JOB = {
    "settings": {"type": "string", "description": "JSON of the schema Settings"},
    "name": {"type": "string"},
    "files": {**_FILES, "description": "photos, clips, or zips of them"},
}
# The first that an error is one of.
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (UnknownJobError, 404),
    (TooLargeError, 413),
    (TooSlowError, 408),
    (NoLengthError, 411),
    (InputError, 400),
    (NoRoomError, 507),
    (OutputError, 507),
    (Glance3DError, 400),
)

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/health", jobs.health, "Is the server up? Needs no token", "Health", "server"),
    Endpoint(
        "GET",
        "/api/server",
        jobs.describe_server,
        "What can be chosen, and limits",
        "Server",
        "server",
    ),
    Endpoint("GET", "/api/jobs", jobs.list_jobs, "All jobs, the newest first", "Jobs"),
    Endpoint(
        "POST",
        "/api/jobs",
        jobs.create_job,
        "Photos, clips or zips become a job",
        "Job",
        status=201,
        form=_NEW_JOB,
        failures=(400, 408, 411, 413, 507),
    ),
    Endpoint(
        "GET",
        "/api/events",
        events.all_events,
        "Jobs as they change (server-sent events)",
        "text/event-stream",
    ),
    Endpoint("GET", "/api/jobs/{id}", jobs.show_job, "A job", "Job", failures=(404,)),
    Endpoint(
        "DELETE",
        "/api/jobs/{id}",
        jobs.remove_job,
        "Cancel a job and remove its files",
        "",
        status=204,
        failures=(404,),
    ),
    Endpoint(
        "GET",
        "/api/jobs/{id}/events",
        events.job_events,
        "One job until it is over",
        "text/event-stream",
        failures=(404,),
    ),
    Endpoint(
        "POST",
        "/api/jobs/{id}/cancel",
        jobs.cancel_job,
        "End a job, wherever it is",
        "Job",
        failures=(404,),
    ),
    Endpoint(
        "POST",
        "/api/jobs/{id}/restart",
        jobs.restart_job,
        "Make a job that is over once more",
        "Job",
        failures=(400, 404),
    ),
    Endpoint(
        "GET",
        "/api/jobs/{id}/log",
        jobs.show_log,
        "What the library said",
        "text/plain",
        failures=(404,),
    ),
    Endpoint(
        "GET",
        "/api/jobs/{id}/thumbnail",
        jobs.show_thumbnail,
        "The first photo, small",
        "image/jpeg",
        failures=(404,),
    ),
    Endpoint(
        "GET",
        "/api/jobs/{id}/scene",
        jobs.show_scene,
        "The scene as a page",
        "text/html",
        query={"theme": "light or dark"},
        failures=(404,),
    ),
    Endpoint(
        "GET",
        "/api/jobs/{id}/files/{name}",
        jobs.download,
        "A download, by a name that the job lists",
        "application/octet-stream",
        failures=(404,),
    ),
    *NODE_ENDPOINTS,
)


async def show_document(request: Request) -> Response:
    """The OpenAPI document."""
    return JSONResponse(build_document((*ENDPOINTS, DOCUMENT)))


DOCUMENT = Endpoint("GET", "/openapi.json", show_document, "This document", "Document", "server")


def build_app(service: Service) -> ASGIApp:
    """All that the server answers."""
    app = Starlette(
        routes=[
            *(endpoint.route for endpoint in (*ENDPOINTS, DOCUMENT)),
            Route("/", pages.show_page),
            Route("/static/{name}", pages.show_static),
        ],
        exception_handlers={Glance3DError: _answer, 404: _answer_http, 405: _answer_http},
    )
    app.state.service = service
    options = service.options
    return Guard(app, options.allowed_hosts, service.token, any_address=not options.is_local)


async def _answer(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    sentence = visible_text(" ".join(str(error).split()))
    root = str(request.app.state.service.store.root)
    return JSONResponse({"error": sentence.replace(root, "the server's folder")}, status)


async def _answer_http(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    words = {404: "there is nothing here", 405: "this cannot be asked so"}
    return JSONResponse({"error": words.get(status, "this cannot be answered")}, status)
