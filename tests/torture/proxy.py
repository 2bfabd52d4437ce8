"""A TCP proxy in a thread, between headrace and one server: it passes everything on, until it is told otherwise.

Written by hand because a fault must hit connections that are open already, at a moment of our choosing, with no tool or
privilege that a test machine may lack.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from enum import StrEnum
from itertools import cycle
from typing import Any

_PIECE = 65536


class Mode(StrEnum):
    """What the proxy does with bytes."""

    OPEN = "open"
    CUT = "cut"
    """Connections end at once, new ones too."""
    STALL = "stall"
    """Nothing passes, and nobody is told: a half-open connection."""
    SLOW = "slow"
    """Each piece waits a moment."""


class Proxy:
    """Listens on `port` of the loopback and forwards to `target_port` there; with more of them, each connection to the next one."""

    def __init__(self, target_port: int, *more_ports: int) -> None:
        self._targets = cycle((target_port, *more_ports))
        self._mode = Mode.OPEN
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{target_port}", daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.set(Mode.OPEN)

    def set(self, mode: Mode) -> None:
        """From now on."""
        self._run(self._set(mode))

    def lead_to(self, *ports: int) -> None:
        """Each new connection goes to the next one of these."""
        self._targets = cycle(ports)

    def close(self) -> None:
        """Ends all connections and the thread."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set(self, mode: Mode) -> None:
        self._mode = mode
        if mode is Mode.STALL:
            self._passing.clear()
        else:
            self._passing.set()
        if mode is Mode.CUT:
            for writer in list(self._writers):
                writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        await self._set(Mode.CUT)
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._passing.wait()
            if self._mode is Mode.CUT:
                return
            with suppress(OSError):
                back_reader, back_writer = await asyncio.open_connection("127.0.0.1", next(self._targets))
                self._writers.add(back_writer)
                try:
                    await asyncio.gather(self._pump(reader, back_writer), self._pump(back_reader, writer))
                finally:
                    self._writers.discard(back_writer)
                    back_writer.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                await self._passing.wait()
                if self._mode is Mode.SLOW:
                    await asyncio.sleep(0.05)
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            with suppress(OSError):
                writer.close()
