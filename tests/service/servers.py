"""A server of jobs that act, in a thread of the test, and requests as any program sends them."""

import http.client
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from glance3d.service.jobs.limits import Limits
from glance3d.service.options import ServiceOptions
from glance3d.service.running import worker
from glance3d.service.serve import running_server
from tests.conftest import PATIENCE


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Asks one server; ``headers`` go with every request."""

    address: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        sent = {**self.headers, **{name.replace("_", "-"): one for name, one in headers.items()}}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        answer = Answer(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(),
        )
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def send(self, path: str, *parts: tuple[str, str | None, bytes], **headers: str) -> Answer:
        """A form of parts: name, file name or None, content."""
        body, kind = form(*parts)
        return self.ask("POST", path, body, Content_Type=kind, **headers)

    def make(self, *names: str, settings: str = "{}") -> dict[str, Any]:
        """A new job with files of these names."""
        files = [("files", name, b"some bytes") for name in names]
        answer = self.send("/api/jobs", ("settings", None, settings.encode()), *files)
        assert answer.status == 201, answer
        return answer.json

    def wait(self, identity: str, *states: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while (job := self.get(f"/api/jobs/{identity}").json)["state"] not in states:
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
        return job


def form(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, str]:
    """A multipart form's bytes and content type."""
    boundary = uuid.uuid4().hex
    body = b""
    for name, file, content in parts:
        named = f'; filename="{file}"' if file is not None else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@contextmanager
def served(
    root: Path, limits: Limits | None = None, module: str | None = None, **options: Any
) -> Iterator[Client]:
    """A server while the block runs; its jobs act, unless ``module`` says otherwise."""
    from tests.service import acting_worker

    chosen = ServiceOptions(root, limits=limits or Limits(), **{"port": 0, **options})
    module = module or acting_worker.__name__
    with running_server(chosen, module=module) as (server, address):
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Client(address)
        finally:
            server.should_exit = True
            thread.join()


REAL = worker.__name__
