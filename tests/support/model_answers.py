"""`ModelAnswers`: what listens at the address of a pod, and answers, holds or drops requests."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Self

__all__ = ("ModelAnswers", "a_free_port", "model_answers")

MakeAnswers = Callable[..., Awaitable["ModelAnswers"]]


class ModelAnswers:
    """A server on loopback.

    Args:
        host: Of 127.0.0.0/8, or ``::1``.
        port: The same for all of them, as that of pods is.
        version: Of the model.

    Attributes:
        how: ``answers``; ``holds``, it answers when it is let to; ``freezes``, never; ``drops``, it
            reads the request and goes away.
        status: With which it answers.
        asked: Heads of the requests that it has heard.
        bodies: Their bodies.
        busy: Requests that it holds.
        most: The most of them at a time.
    """

    def __init__(self, host: str, port: int, version: int = 1) -> None:
        self.host, self.port, self.version = host, port, version
        self.how, self.status = "answers", 200
        self.asked: list[bytes] = []
        self.bodies: list[bytes] = []
        self.busy = self.most = 0
        self.go_on = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._begin, self.host, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Nobody listens there any more, and open requests break off."""
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = next(
                        (
                            int(line.partition(b":")[2])
                            for line in head.lower().splitlines()
                            if line.startswith(b"content-length:")
                        ),
                        0,
                    )
                    self.asked.append(head)
                    self.bodies.append(await reader.readexactly(length))
                    if self.how == "drops" or not await self._held(reader):
                        return
                    self._answer(writer)
                    await writer.drain()
        finally:
            writer.transport.abort()

    async def _held(self, reader: asyncio.StreamReader) -> bool:
        """Until it is to be answered; False when whoever asked has gone before."""
        if self.how == "answers":
            return True
        self.busy += 1
        self.most = max(self.most, self.busy)
        waits = [asyncio.ensure_future(reader.read(1))]
        if self.how == "holds":
            waits.append(asyncio.ensure_future(self.go_on.wait()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return not waits[0].done()
        finally:
            self.busy -= 1
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _answer(self, writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"by": self.host}).encode()
        writer.write(
            b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"x-model-version: %d\r\n\r\n%s" % (self.status, len(body), self.version, body)
        )


def a_free_port(*hosts: str) -> int:
    """A port on which nobody listens at any of these addresses."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
        try:
            for host in hosts:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                with socket.socket(family) as other:
                    other.bind((host, port))
        except OSError:
            continue
        return port


@asynccontextmanager
async def model_answers(port: int) -> AsyncIterator[MakeAnswers]:
    """Makes servers, each at an address of its own; all are stopped in the end."""
    async with AsyncExitStack() as stack:

        async def make(host: str, how: str = "answers", version: int = 1) -> ModelAnswers:
            made = await stack.enter_async_context(ModelAnswers(host, port, version))
            made.how = how
            return made

        yield make
