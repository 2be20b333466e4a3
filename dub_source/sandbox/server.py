"""The HTTP server under the sandbox: uvicorn, made to stop at once and to let connections be broken."""

import asyncio
import contextlib
import gc
import importlib.util
import socket
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dub_source.sandbox.app import TRANSPORT, Application

HOST = "127.0.0.1"
_BACKLOG = 2048  # uvicorn's own default


class StoppableServer(uvicorn.Server):
    """Ends at once when told to. uvicorn's own needs a fifth of a second, too long for hundreds of tests."""

    def __init__(self, application: Application) -> None:
        super().__init__(_config(application))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Tell it from another thread; requests that are under way get no answer."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        """Wait until it is to stop."""
        self._loop = asyncio.get_running_loop()
        # uvicorn renews the date header at ticks that are multiples of ten. Ten ticks of a busy loop can take
        # two seconds, and from so old a date clients would conclude that this clock is slow.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything, whoever still waits."""
        for listener in [*self.servers, *(sockets or ())]:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()  # closes it in good order if it is idle
            if not connection.transport.is_closing():
                connection.transport.abort()
        await asyncio.sleep(0)


class _Protocol(HttpToolsProtocol):
    """Hands the transport to the application, which needs it to break connections on purpose."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


def listen(port: int) -> socket.socket:
    """A socket on which clients wait until a server is there. Raises OSError if the port cannot be had."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)  # from here on clients wait instead of being refused
    except OSError:
        listener.close()
        raise
    return listener


def serve(application: Application, listener: socket.socket) -> None:
    """Answer in this thread until SIGINT or SIGTERM."""
    with _frozen_heap():
        uvicorn.Server(_config(application)).run(sockets=[listener])


def _config(application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=_Protocol,
        loop="uvloop" if importlib.util.find_spec("uvloop") else "asyncio",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )


@contextlib.contextmanager
def _frozen_heap() -> Iterator[None]:
    """Keep the collector from walking through millions of rows that will stay anyway."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
