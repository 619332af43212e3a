"""One table of what can be asked for: it makes the routes, and the OpenAPI document."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """A method of a path, what answers it, and what a program must know of it.

    ``answer`` names a schema of the document, or is a media type; ``form`` are the fields of a form
    and ``query`` those of the address, with what they mean; ``failures`` are statuses besides those
    that any request may have.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    handler: Handler
    summary: str
    answer: str
    tag: str = "jobs"
    status: int = 200
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, dict[str, Any]] = field(default_factory=dict)
    form_is_required: bool = True
    failures: tuple[int, ...] = ()

    @property
    def route(self) -> Route:
        """For the application; GET also answers HEAD."""
        return Route(self.path, self.handler, methods=[self.method])
