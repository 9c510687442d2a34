"""`Publisher`: makes a file the next version of a model, once its runtime has seen it."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ....specs import ModelFormat, ModelVersion
from ....specs.model import ModelFacts
from ..account import account_of
from .handing import handed
from .inspection import inspect
from .models import Models

__all__ = ("Publisher",)

#: Models that are inspected at a time, and never two of one person: one of them may take much
#: memory, or all the time that it is given.
_AT_ONCE = 2


class Publisher:
    """Of everybody's models. Used on one event loop.

    Args:
        models: Where they are kept.
        python: Gives the interpreter of the image that serves a format; blocks.
        os_users: Look into a person's file as the person's own account.
    """

    def __init__(
        self, models: Models, python: Callable[[ModelFormat], Path], *, os_users: bool
    ) -> None:
        self._models = models
        self._python = python
        self._os_users = os_users
        self._inspecting = asyncio.Semaphore(_AT_ONCE)
        self._own: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(self, owner: str, model: str, file: Path, facts: ModelFacts) -> ModelVersion:
        """As `Serving.publish`.

        Whoever is cancelled leaves nothing behind, or a whole version.
        """
        account = await asyncio.to_thread(account_of, owner, self._os_users)
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
            python = await asyncio.to_thread(self._python, draft.format)
            async with self._own[owner], self._inspecting:
                about = await inspect(python, draft.file, account, facts.example)
            return await asyncio.to_thread(keep, about)
        except BaseException:
            await asyncio.to_thread(discard)
            raise
