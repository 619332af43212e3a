"""What all answers are made from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from glance3d.service.jobs.records import JobSettings
from glance3d.service.jobs.store import JobStore
from glance3d.service.options import ServiceOptions, checked
from glance3d.service.running.runner import Runner


@dataclass(frozen=True)
class Service:
    """The jobs, who makes them, and what the owner chose; ``is_closing`` ends long answers."""

    options: ServiceOptions
    store: JobStore
    runner: Runner
    token: str | None
    models: tuple[str, ...]
    is_closing: Callable[[], bool] = lambda: False

    def checked(self, settings: JobSettings) -> JobSettings:
        """Settings of a client, refused where this server cannot follow them."""
        return checked(settings, self.models)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return cast(Service, request.app.state.service)
