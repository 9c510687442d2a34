"""`handed`: what a thread makes for somebody, and takes back when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ("handed",)

_T = TypeVar("_T")


async def handed(make: Callable[[], _T], take_back: Callable[[_T], None]) -> _T:
    """What it makes, in a thread.

    A thread cannot be stopped: who is cancelled does not wait for it, and it takes back itself what
    it has made, also when the loop is closed meanwhile.

    Args:
        make: Blocks.
        take_back: Blocks.
    """
    lock = threading.Lock()
    wanted = True
    ready: list[_T] = []

    def work() -> _T:
        made = make()
        with lock:
            ready.append(made)
            keep = wanted
        if not keep:
            take_back(made)
        return made

    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        with lock:
            wanted = False
            left = tuple(ready)
        for made in left:  # It was ready, and did not arrive.
            await asyncio.to_thread(take_back, made)
        raise
