"""The page: files of the package, by their names alone."""

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from glance3d.service.jobs.store import UnknownJobError

_OWN = files("glance3d.service") / "page"
# What the page shares with scene.html: its colours and sizes, the switch of the theme.
_SHARED = files("glance3d.exporters.page") / "assets"
_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_STATIC = {
    "scene.css": _SHARED / "page.css",
    "theme.js": _SHARED / "theme.js",
    "elements.js": _SHARED / "elements.js",
    **{
        name: _OWN / name
        for name in (
            "service.css",
            "icon.svg",
            "main.js",
            "server.js",
            "upload.js",
            "chosen.js",
            "jobs.js",
            "cards.js",
            "viewer.js",
            "words.js",
        )
    },
}


async def show_page(request: Request) -> Response:
    """The page."""
    return Response(_content(None), media_type="text/html")


async def show_static(request: Request) -> Response:
    """A script, a style or a picture of the page."""
    name = request.path_params["name"]
    if name not in _STATIC:
        raise UnknownJobError("there is no such file")
    return Response(_content(name), media_type=_TYPES[name.rpartition(".")[2]])


@cache
def _content(name: str | None) -> bytes:
    return (_OWN / "index.html" if name is None else _STATIC[name]).read_bytes()
