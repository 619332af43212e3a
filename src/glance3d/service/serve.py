"""The front door: a server of jobs, until it is stopped."""

import logging
import os
import secrets
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from glance3d.errors import MissingExtraError, OutputError
from glance3d.files.atomic import errors_named, temporary_beside
from glance3d.service.jobs.store import JobStore
from glance3d.service.options import ServiceOptions
from glance3d.service.running import worker
from glance3d.service.running.runner import Runner
from glance3d.viewer.server import free_port, page_address

TOKEN_FILE = "token"
_TOKEN_BYTES = 24
# Above what a browser with a few pages opens; a client that holds connections takes no more.
_MOST_CONNECTIONS = 200
_SECONDS_TO_END = 3


def serve(
    options: ServiceOptions,
    *,
    open_browser: bool = False,
    on_listening: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until a signal comes; ``on_listening`` is told the address that clients can now open.

    Raises:
        MissingExtraError: the libraries of the extra ``serve`` are not installed.
        Glance3DError: the folder is another server's, or the address cannot be listened at.
    """
    with running_server(options) as (server, address):

        def tell() -> None:
            on_listening(address)
            if open_browser:  # in a thread: some browsers end only when they are closed
                threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

        server.on_listening = tell
        server.run()


@contextmanager
def running_server(options: ServiceOptions, *, module: str = worker.__name__) -> Iterator:
    """A :class:`ListeningServer` that is ready to run, and the address that clients open.

    Jobs are made while the block runs, each by a process of ``module``.
    """
    try:
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise MissingExtraError("the service", "starlette and uvicorn", "serve") from error
    from glance3d.service.http.app import build_app
    from glance3d.service.http.listening import ListeningServer
    from glance3d.service.http.service import Service

    # What a client sends wrongly is answered, and is nobody's warning.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    store = JobStore(options.root, options.limits)
    port = free_port(options.host, options.port)
    sources = options.sources
    store.open()
    try:
        token = token_of(options.root) if options.needs_token else None
        runner = Runner(store, sources, num_at_once=options.num_at_once, module=module)
        servers: list[ListeningServer] = []
        service = Service(
            options, store, runner, token, tuple(sources), lambda: servers[0].should_exit
        )
        config = uvicorn.Config(
            build_app(service),
            host=options.host,
            port=port,
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_SECONDS_TO_END,
        )
        servers.append(ListeningServer(config))
        address = page_address(options.host, port)
        runner.start()
        try:
            yield servers[0], f"{address}/" if token is None else f"{address}/?token={token}"
        finally:
            runner.close()
    finally:
        store.close()


def token_of(root: Path) -> str:
    """The secret that clients must know, kept in a file that its owner alone can read.

    Raises:
        OutputError: it cannot be kept, or what is there is no token.
    """
    path = root / TOKEN_FILE
    if path.exists():
        with errors_named(path):
            token = path.read_text(encoding="ascii", errors="replace").strip()
        if (
            len(token) < 16
            or not token.isascii()
            or not token.replace("-", "").replace("_", "").isalnum()
        ):
            raise OutputError(
                f"{path} must hold a token of at least 16 letters and digits: remove it"
            )
        return token
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with errors_named(path), temporary_beside(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token)
        temporary.replace(path)
    return token
