"""`NotSent`: why a notice did not arrive; `in_daemon`: how one is sent aside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

__all__ = ("NotSent", "in_daemon")


class NotSent(Exception):
    """A notice did not arrive.

    Attributes:
        message: Why, as a sentence; nothing of what the other side said but its status.
        final: Whether trying again has no sense.

    Args:
        message: As in the attributes.
        final: As in the attributes.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.final = final


async def in_daemon(do: Callable[..., None], *args: object) -> None:
    """Run something in a thread that keeps no process from ending, as those of executors do."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return  # Nobody waits any more.
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            do(*args)
        except BaseException as exc:
            error = exc
        with suppress(RuntimeError):  # The loop has been closed.
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="dllab-sending", daemon=True).start()
    await done
