"""Who may ask: the names that the server is called by, pages of its own, and whoever has the token.

A browser lets any page of the internet send requests to this machine, and a name of the internet
may be made to mean this machine. So a request must call the server by a name of its own (Host), no
page of another origin may send it (Origin, Sec-Fetch-Site), and where others than this machine can
reach the server, it must hold the token: in the address, as Jupyter has it, in a cookie that the
page then has, or in the header Authorization.
"""

import hmac
import ipaddress
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Answers without a token: whether the server is up.
OPEN_PATHS = ("/health",)
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Lets requests through to ``app``, or answers why not."""

    def __init__(
        self, app: ASGIApp, hosts: Iterable[str], token: str | None, *, any_address: bool
    ) -> None:
        self._app, self._hosts, self._token = app, frozenset(hosts), token
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        handler = self._app if refusal is None else refusal

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await handler(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._is_own(host):
            return _refused(403, "this server does not go by that name: use its own address")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return _refused(403, "pages of other servers may not ask this one")
        is_page = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_page:
            return _refused(403, "pages of other servers may not ask this one")
        if self._token is None or scope["path"] in OPEN_PATHS:
            return None
        return self._refusal_by_token(scope, headers)

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        return self._any_address and _is_address(name)

    def _refusal_by_token(self, scope: Scope, headers: Headers) -> Response | None:
        query = QueryParams(scope.get("query_string", b"").decode("latin-1"))
        cookie = cookie_name(scope)
        if (given := query.get("token")) is not None and self._is_token(given):
            if scope["path"] != "/" or scope["method"] != "GET":
                return None
            # The page keeps the token where no script, no log and no history sees it.
            rest = [(key, value) for key, value in query.multi_items() if key != "token"]
            response = RedirectResponse("/" + (f"?{urlencode(rest)}" if rest else ""), 303)
            response.set_cookie(cookie, given, httponly=True, samesite="strict", path="/")
            return response
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() in ("bearer", "token") and self._is_token(bearer.strip()):
            return None
        if self._is_token(_cookies(headers).get(cookie, "")):
            return None
        return _refused(
            401, "this server needs its token: open the address that it printed when it started"
        )

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode(errors="replace"), self._token.encode())


def cookie_name(scope: Scope) -> str:
    """Of the cookie that holds the token: browsers keep one jar for all ports of a host."""
    server = scope.get("server") or ("", 0)
    return f"glance3d-{server[1]}"


def _cookies(headers: Headers) -> dict[str, str]:
    try:
        jar = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def _add_headers(headers: MutableHeaders, path: str) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
    if path.startswith("/static/"):
        headers.setdefault("Cache-Control", "no-cache")
    else:
        headers.setdefault("Cache-Control", "no-store")


def _is_address(name: str) -> bool:
    """Whether it is a number, which nobody can make mean another machine."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refused(status: int, sentence: str) -> Any:
    return JSONResponse({"error": sentence}, status)
