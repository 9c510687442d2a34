"""`Line`: labs that wait for GPUs of this machine, first come first served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..errors import NoCapacity
from ..leases import Lease

__all__ = ("Line", "in_thread")


async def in_thread(take: Callable[[], Lease]) -> Lease:
    """Take a lease in a thread; one that nobody waits for any more is given back.

    A thread cannot be cancelled: without this the hub would hold the GPUs of a start that was
    stopped for as long as it lives.
    """
    task = asyncio.create_task(asyncio.to_thread(take))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_give_back)
        raise


def _give_back(task: asyncio.Task[Lease]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().release()


@dataclass(eq=False)
class _Place:
    take: Callable[[Collection[str]], Lease]
    found: asyncio.Future[Lease]


class Line:
    """Whenever GPUs are free everybody is asked in the order of arrival.

    Who needs fewer may be served before somebody ahead who needs more than are free.

    Args:
        free: UUIDs of the GPUs that nobody holds; called in a thread.
        period: Seconds between two looks.
    """

    def __init__(self, free: Callable[[], Collection[str]], period: float = 0.5) -> None:
        self._free = free
        self._period = period
        self._places: list[_Place] = []
        self._serving: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._places)

    async def join(self, take: Callable[[Collection[str]], Lease]) -> Lease:
        """Wait until the GPUs are had; cancelled, the place is given up and nothing is held.

        Args:
            take: Takes some of these, in a thread, or raises `NoCapacity` when it needs others.

        Raises:
            DLLabError: anything else that ``take`` raises.
        """
        place = _Place(take, asyncio.get_running_loop().create_future())
        self._places.append(place)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name="dllab-gpu-line")
        try:
            return await place.found
        except asyncio.CancelledError:
            if place.found.done() and not place.found.cancelled() and not place.found.exception():
                place.found.result().release()  # It came in the very moment of giving up.
            raise
        finally:
            self._places.remove(place)

    async def _serve(self) -> None:
        while self._places:
            # One look for all: what is given back in the middle must not go to the last in line.
            try:
                free = set(await asyncio.to_thread(self._free))
            except Exception as exc:  # Nobody can be served: each of them is told why.
                for place in self._places:
                    if not place.found.done():
                        place.found.set_exception(exc)
                return
            for place in tuple(self._places) if free else ():
                if not place.found.done():
                    free.difference_update(await self._try(place, free))
            await asyncio.sleep(self._period)

    async def _try(self, place: _Place, free: Collection[str]) -> Collection[str]:
        """Serve one of the line, if that is possible; returns what it got."""
        try:
            lease = await asyncio.to_thread(place.take, free)
        except NoCapacity:
            return ()
        except Exception as exc:  # It belongs to whoever waits; the others go on waiting.
            if not place.found.done():
                place.found.set_exception(exc)
            return ()
        if place.found.done():
            lease.release()
        else:
            place.found.set_result(lease)
        return lease.uuids
