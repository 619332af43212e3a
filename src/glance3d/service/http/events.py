"""Progress as it happens: server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from glance3d.service.http.jobs import listed
from glance3d.service.http.service import Service, service_of
from glance3d.service.http.views import describe_jobs

_LOOK_SECONDS = 0.25
_SILENCE_SECONDS = 15.0


async def all_events(request: Request) -> Response:
    """Jobs as they change: each event holds those that have, and the IDs of all."""
    return _stream(service_of(request), None)


async def job_events(request: Request) -> Response:
    """One job as it changes, until it is over."""
    service = service_of(request)
    return _stream(service, service.store.job(request.path_params["id"]).id)


def _stream(service: Service, identity: str | None) -> Response:
    return StreamingResponse(_events(service, identity), media_type="text/event-stream")


async def _events(service: Service, identity: str | None) -> AsyncIterator[str]:
    version, silent = -1, 0.0
    while not service.is_closing():
        now, changed, names = service.store.changed_since(version)
        if now != version:
            known = [name for name in changed if identity in (None, name)]
            jobs = await run_in_threadpool(_described, service, known)
            if jobs or identity is None:
                yield f"data: {json.dumps({'jobs': jobs, 'ids': names})}\n\n"
                silent = 0.0
            if identity is not None and (identity not in names or any(map(_is_over, jobs))):
                return
            version = now
        elif silent >= _SILENCE_SECONDS:
            yield ": still here\n\n"  # so that a connection that is gone is noticed
            silent = 0.0
        await asyncio.sleep(_LOOK_SECONDS)
        silent += _LOOK_SECONDS


def _described(service: Service, names: list[str]) -> list[dict]:
    return describe_jobs(service, [job for job in listed(service) if job.id in names])


def _is_over(job: dict) -> bool:
    return job["state"] in ("done", "failed", "cancelled")
