"""`Publisher`: makes a file the next version of a model, once its runtime has seen it."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ....specs import ModelVersion
from ....specs.model import ModelFacts
from ..account import Account
from .handing import handed
from .models import Draft, Models

__all__ = ("Look", "Publisher")

#: Of a person, a draft and the text of a request that came with it: what it takes and gives, by the
#: word of its runtime.
Look = Callable[[str, Draft, str], Awaitable[dict[str, Any]]]

#: Models that are inspected at a time on one machine: one of them may take much memory, or all the
#: time that it is given.
_AT_ONCE = 2


class Publisher:
    """Of everybody's models. Used on one event loop.

    Args:
        models: Where they are kept.
        look: Has a draft looked into.
        account: Whose the files of a person's models are; blocks.
        at_once: Models that are looked into at a time, and never two of one person.
    """

    def __init__(
        self,
        models: Models,
        look: Look,
        account: Callable[[str], Account],
        *,
        at_once: int = _AT_ONCE,
    ) -> None:
        self._models = models
        self._look = look
        self._account = account
        self._inspecting = asyncio.Semaphore(at_once)
        self._own: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(self, owner: str, model: str, file: Path, facts: ModelFacts) -> ModelVersion:
        """As `Serving.publish`.

        Whoever is cancelled leaves nothing behind, or a whole version.
        """
        account = await asyncio.to_thread(self._account, owner)
        make = partial(self._models.draft, owner, file, account)
        draft = await handed(make, self._models.discard)
        moving = threading.Lock()  # It is not taken apart while it becomes a version.

        def keep(about: Mapping[str, Any]) -> ModelVersion:
            with moving:
                return self._models.keep(owner, model, draft, about, facts)

        def discard() -> None:
            with moving:
                self._models.discard(draft)

        try:
            async with self._own[owner], self._inspecting:
                about = await self._look(owner, draft, facts.example)
            return await asyncio.to_thread(keep, about)
        except BaseException:
            await asyncio.to_thread(discard)
            raise
