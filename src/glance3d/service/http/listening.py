"""The server of HTTP, which says when it listens."""

import socket
from collections.abc import Callable

import uvicorn


class ListeningServer(uvicorn.Server):
    """uvicorn's, which calls ``on_listening`` once clients are let in, and not before."""

    on_listening: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets=sockets)
        self.on_listening()
