"""`Live`: a deployment that is being looked after, on the event loop's side."""

from __future__ import annotations

import asyncio

from .caller import Caller
from .controller import Controller

__all__ = ("Live",)


class Live:
    """A deployment that is being looked after.

    Attributes:
        controller: Is used by a thread that somebody waits for with `lock`.
        caller: Asks the model.
        lock: Held by whoever uses the controller.
        turn: Held as well, after it: of its owner's deployments only so many are looked at at once.
        wake: Something was wished for: the next look comes at once.
        watch: Looks again and again.
    """

    def __init__(self, controller: Controller, turn: asyncio.Semaphore) -> None:
        self.controller = controller
        self.caller = Caller(controller.socket, controller.account.uid)
        self.lock = asyncio.Lock()
        self.turn = turn
        self.wake = asyncio.Event()
        self.watch: asyncio.Task[None] | None = None
