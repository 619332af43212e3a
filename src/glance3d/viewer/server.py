"""The viewer's server: a free port, local by default, without output of its own."""

import contextlib
import errno
import inspect
import io
import re
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from glance3d.errors import InputError, MissingExtraError, OutputError

if TYPE_CHECKING:
    from viser import ViserServer

_MOST_TRIES = 100
# The library's page is one file with its script inside, and asks for a policy that lets it run. No
# frame, no form and no picture from elsewhere, whatever text the page is made to show.
_POLICY = (
    "frame-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "img-src 'self' data: blob:; media-src 'none'; font-src 'self' data:"
)
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


def free_port(host: str, port: int) -> int:
    """``port``, or the next free one above it; 0 stands for any.

    Raises:
        InputError: the host is no address of this machine, or the port is out of range.
        OutputError: none of a hundred ports is free, or they are not allowed.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"--port must be from 0 (any free one) to 65535, got {port}")
    for candidate in range(port, min(port + _MOST_TRIES, 65536)):
        try:
            return _bound_port(host, candidate)
        except socket.gaierror as error:
            raise InputError(
                f"no address {host!r} is known here ({error.strerror}): give 127.0.0.1 for this "
                "machine alone, or 0.0.0.0 for everybody on the network"
            ) from error
        except PermissionError as error:
            raise OutputError(
                f"port {candidate} is not allowed here: choose one above 1023"
            ) from error
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise InputError(f"{host} is not an address of this machine") from error
            if error.errno != errno.EADDRINUSE:
                raise OutputError(
                    f"cannot listen at {host}:{candidate}: {error.strerror}"
                ) from error
    raise OutputError(f"the ports {port} to {port + _MOST_TRIES - 1} are all in use: choose --port")


def _bound_port(host: str, port: int) -> int:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        # As servers do: a port that was closed a moment ago is free again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])


def start_server(host: str, port: int) -> "ViserServer":
    """Start a server that prints nothing.

    Raises:
        MissingExtraError: viser is not installed.
    """
    try:
        import viser
    except ImportError as error:
        raise MissingExtraError("the viewer", "viser", "view") from error

    port = free_port(host, port)
    with quiet(), _own_pages_only(host):
        server = viser.ViserServer(host=host, port=port, label="Glance3D", verbose=False)
    server.gui.configure_theme(
        show_logo=False,
        show_share_button=False,  # it would send the photos to another machine
        brand_color=(34, 139, 116),
        control_width="medium",
    )
    return server


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the banners that viser prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@contextlib.contextmanager
def _own_pages_only(host: str) -> Iterator[None]:
    """Accept connections to a local server from local pages only, and send a content policy.

    A browser lets any web page open a socket to localhost, and viser does not check the origin;
    without this, a page on the internet could read the photos. A host other than localhost allows
    everybody on that network.
    """
    import websockets.asyncio.server as library

    original = library.serve
    own = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")

    def serve(*arguments: Any, **options: Any) -> Any:
        if host in LOCAL_HOSTS:
            options["origins"] = [own, None]
        options["process_request"] = _with_policy(options.get("process_request"))
        return original(*arguments, **options)

    library.serve = serve  # pyrefly: ignore[bad-assignment]
    try:
        yield
    finally:
        library.serve = original


def _with_policy(answer: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """The request handler, with the content policy in each response."""
    if answer is None:
        return None

    async def guarded(*arguments: Any) -> Any:
        response = answer(*arguments)
        if inspect.isawaitable(response):
            response = await response
        if response is not None:
            response.headers["Content-Security-Policy"] = _POLICY
        return response

    return guarded


def page_address(host: str, port: int) -> str:
    """The viewer's URL on this machine."""
    shown = {"0.0.0.0": "localhost", "::": "localhost", "": "localhost"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
