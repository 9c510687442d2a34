"""Mirrors of `fake_api`'s objects, in a hurry, and what they say until a test is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fake_api import FakeApi

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.kinds import PODS
from dllab_hub.backends.kubernetes.mirror import Mirror

__all__ = ("Following", "Quick", "a_following", "an_api", "phases", "pod", "until", "watched")


class Quick(Mirror):
    """A mirror for which a second is a hundredth."""

    floor, cap, moment = 0.03, 0.09, 0.05


@asynccontextmanager
async def an_api(fake: FakeApi, folder: Path) -> AsyncIterator[Api]:
    """An `Api` that leads to it, for mirrors in a hurry."""
    api = await Api.connect(str(fake.kubeconfig(folder / "kubeconfig")))
    api.pace.every = 0.01
    try:
        yield api
    finally:
        await api.close()


class Following:
    """A mirror and what it says, until the test is over."""

    def __init__(self) -> None:
        self.changes = 0
        self.stack = AsyncExitStack()

    def __call__(self, api: Api, kind: Any = PODS, of: type[Mirror] = Quick, **more: Any) -> Mirror:
        mirror = of(api, kind, "labs", **{"changed": self._changed, **more})
        self.stack.push_async_callback(mirror.close)
        mirror.start()
        return mirror

    def _changed(self) -> None:
        self.changes += 1


@asynccontextmanager
async def a_following() -> AsyncIterator[Following]:
    """One whose mirrors are closed in the end."""
    made = Following()
    async with made.stack:
        yield made


def pod(name: str, phase: str = "Pending", **meta: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "labs", "name": name, **meta}, "status": {"phase": phase}}


def phases(mirror: Mirror) -> dict[str, str]:
    return {key.partition("/")[2]: obj["status"]["phase"] for key, obj in mirror.objects.items()}


async def until(true: Callable[[], object], seconds: float = 5.0) -> float:
    """Seconds until it is so."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, "it did not become so"
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


async def watched(fake: FakeApi, times: int = 1) -> None:
    """Wait until so many watches are open."""
    await until(lambda: len(fake.store.watchers) == times)
