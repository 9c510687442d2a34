"""What is asked of sockets where anybody may listen: bounded in time and in memory."""

from __future__ import annotations

import asyncio
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from dllab_hub.backends.calls import Call
from dllab_hub.backends.local.serving import caller
from dllab_hub.backends.local.serving.caller import BalancerCaller
from dllab_hub.backends.local.serving.haproxy import POOL_HEADER
from dllab_hub.backends.local.serving.sockets import answers
from dllab_hub.errors import TooLarge

MIB = 1024 * 1024
Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(path: Path, speak: Speak) -> AsyncIterator[None]:
    """A server that answers each request with what it likes, until the other side has enough."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                await speak(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_unix_server(begin, path)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def test_who_answers_byte_by_byte(tmp_path):
    """A process that says its first line for ever is waited for no longer than one that is mute."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with listening(tmp_path / "s", drip):
        start = time.monotonic()
        answer = await asyncio.to_thread(answers, tmp_path / "s", "/", os.geteuid(), 0.5)
        took = time.monotonic() - start

    assert not answer
    assert took < 2


async def test_an_answer_without_an_end(tmp_path):
    """An answer that is too long is refused with a sentence, and is not kept in memory."""

    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:
            writer.write(b"x" * MIB)
            await writer.drain()

    model = BalancerCaller(tmp_path / "s", os.geteuid())
    tracemalloc.start()
    try:
        async with listening(tmp_path / "s", flood):
            with pytest.raises(TooLarge, match="answer is larger than 64 MiB"):
                await model.ask(Call("GET", "v2/models/digits"), lambda: True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await model.close()

    assert peak < 3 * 64 * MIB


async def test_a_long_answer_comes_whole(tmp_path, monkeypatch):
    """An answer of just as many bytes as may be is passed on as it came."""
    monkeypatch.setattr(caller, "_LONGEST", 3 * MIB)

    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx-model-version: 7\r\n\r\n" % (3 * MIB)
        )
        writer.write(b"y" * 3 * MIB)
        await writer.drain()

    model = BalancerCaller(tmp_path / "s", os.geteuid())
    async with listening(tmp_path / "s", speak):
        reply = await model.ask(Call("POST", "v1/models/digits:predict", b"{}"), lambda: True)
        await model.close()

    assert reply is not None
    assert (200, b"y" * 3 * MIB, "7") == (
        reply.status,
        reply.body,
        reply.headers["x-model-version"],
    )


async def test_asked_again(tmp_path):
    """A replica that has just gone is not the answer: it is asked again, in the pool that was
    wished for. Each answer is told of, and those that nobody got are counted."""
    answers = [503, 502, 200]
    asked, seen = [], []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        status = answers.pop(0)
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}" % status)
        await writer.drain()
        writer.close()

    model = BalancerCaller(tmp_path / "s", os.geteuid())
    server = await asyncio.start_unix_server(speak, tmp_path / "s")
    call = Call("GET", "v2/models/digits", headers={POOL_HEADER: "replicas", "accept": "x/y"})
    reply = await model.ask(
        call, lambda: True, pool="others", seen=lambda reply, _: seen.append(reply.status)
    )
    await model.close()
    server.close()
    await server.wait_closed()

    assert (200, [503, 502, 200], 2) == (reply.status, seen, model.repeated)
    assert all(b"x-dllab-pool: others" in head and b"x/y" in head for head in asked)
    assert not any(b"replicas" in head for head in asked)
