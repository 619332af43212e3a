"""A server on this machine that speaks as much of the hub's protocol as a download needs.

``/OWNER/NAME/resolve/main/FILE`` answers with the commit, the size and the SHA-256 of the file, and
sends the client on to where its bytes are, which may be asked for from any byte on.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Files by "OWNER/NAME/FILE", what goes wrong with them, and what was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)  # repositories
    sent: dict[str, bytes] = field(default_factory=dict)  # other bytes than were announced
    cut_after: int | None = None  # bytes of every answer
    knows_ranges: bool = True
    names_content: bool = True
    endpoint: str = ""
    store: str = ""  # the server of the bytes, another one as with the hub
    ranges: list[str | None] = field(default_factory=list)  # one a download
    requests: int = 0

    def announced_sha256(self, name: str) -> str:
        return hashlib.sha256(self.files[name]).hexdigest()


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args) -> None:
            pass

        def do_HEAD(self) -> None:
            hub.requests += 1
            _resolve(self, hub)

        def do_GET(self) -> None:
            hub.requests += 1
            if self.path.startswith("/content/"):
                _send(self, hub, self.path.removeprefix("/content/"))
            else:
                _resolve(self, hub)

    with _serving(Handler) as hub.endpoint, _serving(Handler) as hub.store:
        yield hub


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server at the address that is given, which the end of the context stops."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _resolve(handler: BaseHTTPRequestHandler, hub: Hub) -> None:
    repository, _, file = handler.path.lstrip("/").partition("/resolve/main/")
    name = f"{repository}/{file}"
    if repository in hub.gated:
        _refuse(handler, 403, "GatedRepo")
    elif not any(known.startswith(f"{repository}/") for known in hub.files):
        _refuse(handler, 404, "RepoNotFound")
    elif name not in hub.files:
        _refuse(handler, 404, "EntryNotFound")
    else:
        handler.send_response(302)
        handler.send_header("Location", f"{hub.store}/content/{name}")
        handler.send_header("Content-Length", "0")
        handler.send_header("X-Repo-Commit", COMMIT)
        if hub.names_content:
            handler.send_header("X-Linked-Etag", f'"{hub.announced_sha256(name)}"')
            handler.send_header("X-Linked-Size", str(len(hub.files[name])))
        handler.end_headers()


def _refuse(handler: BaseHTTPRequestHandler, status: int, code: str) -> None:
    handler.send_response(status)
    handler.send_header("X-Error-Code", code)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _send(handler: BaseHTTPRequestHandler, hub: Hub, name: str) -> None:
    content = hub.sent.get(name, hub.files[name])
    asked = handler.headers.get("Range")
    hub.ranges.append(asked)
    start = int(asked.removeprefix("bytes=").split("-")[0]) if asked and hub.knows_ranges else 0
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    rest = content[start:]
    handler.wfile.write(rest if hub.cut_after is None else rest[: hub.cut_after])
    if hub.cut_after is not None:
        handler.close_connection = True
