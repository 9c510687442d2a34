"""`Driver`: which GPUs there are, asked without waiting for a driver that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

__all__ = ("Driver",)

#: A driver may hang; jobs that need no new GPU must not wait for it.
_PATIENCE = 2.0


class Driver:
    """Asks for the GPUs in a thread, one question at a time.

    Attributes:
        last: UUIDs of the GPUs that were there when it last answered.

    Args:
        read: What blocks: UUIDs of the GPUs.
    """

    def __init__(self, read: Callable[[], Sequence[str]]) -> None:
        self.last: tuple[str, ...] = ()
        self._read = read
        self._asked: asyncio.Task[None] | None = None

    async def inventory(self) -> tuple[str, ...]:
        """The GPUs there are; those that were there when the driver does not answer in time."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask(), name="dllab-gpus")
        done, _ = await asyncio.wait({self._asked}, timeout=_PATIENCE)
        for task in done:
            task.result()
        return self.last

    async def close(self) -> None:
        """Wait for no answer any more."""
        if self._asked is not None:
            self._asked.cancel()
            with suppress(asyncio.CancelledError):
                await self._asked

    async def _ask(self) -> None:
        self.last = tuple(await asyncio.to_thread(self._read))
