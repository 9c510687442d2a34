"""A place for the contract tests: `RemoteBackend` over HTTP, with a `MemoryBackend` behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from served import running_loop, service_host, stub_hub

from dllab_hub.backends.admission import Asker
from dllab_hub.backends.base import Backend
from dllab_hub.backends.remote import RemoteBackend
from dllab_hub.testing import MemoryBackend

__all__ = ("EachTheirOwn", "remote_backend")


class _Theirs:
    """The verbs of one thing for each person; the owner picks whose."""

    def __init__(self, things: Mapping[str, Any]) -> None:
        self._things = things

    def __getattr__(self, verb: str):
        def call(owner: Any, *args, **kwargs):
            asker = next((each for each in (owner, *args) if isinstance(each, Asker)), None)
            if asker is not None:  # Whose token it is, and not what is said, tells who asks.
                who = asker.person or "grace"
                return getattr(self._things[who], verb)(owner, *args, **kwargs)
            # The owner's name is not what tells people apart: the token is.
            return getattr(self._things[owner], verb)("somebody", *args, **kwargs)

        return call


class EachTheirOwn(_Theirs):
    """As in labs: everybody has a `RemoteBackend` of their own, with their own token."""

    def __init__(self, url: str, people: Collection[str]) -> None:
        self.backends = {name: RemoteBackend.at(url, f"{name}-token") for name in people}
        super().__init__(self.backends)
        self.serving = _Theirs({name: there.serving for name, there in self.backends.items()})
        self.history = _Theirs({name: there.history for name, there in self.backends.items()})
        self.insight = _Theirs({name: there.insight for name, there in self.backends.items()})

    async def close(self) -> None:
        for backend in self.backends.values():
            await backend.close()


@asynccontextmanager
async def remote_backend() -> AsyncIterator[tuple[Backend, MemoryBackend]]:
    """The backend for ``ada`` and ``grace``, and the one behind it."""
    with running_loop() as loop, stub_hub(loop) as hub, service_host(loop, hub) as host:
        mine = EachTheirOwn(host.url, ("ada", "grace"))
        yield mine, host.backend  # type: ignore[misc]
        await mine.close()
        await asyncio.sleep(0)
