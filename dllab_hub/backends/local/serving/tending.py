"""`Tending`: deployments that are looked after again and again, wherever their replicas run."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from ....errors import NotFound, Unavailable
from ....specs import (
    Canary,
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Event,
    ModelPage,
    ModelVersion,
)
from ....specs.model import ModelFacts
from ...calls import Call, Download, Reply
from .exporting import download
from .live import Live
from .models import Models
from .opening import Opening
from .page import page
from .publisher import Publisher
from .steering import Steering

__all__ = ("Tending",)

_LOG = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")
#: Seconds until the look after one that failed.
_LONG = 5.0
#: Seconds that an answer waits for a look that takes long; it is the last one's then.
_PATIENCE = 1.0
#: Threads, and those of them that may be looking at deployments of one person.
_THREADS, _EACH = 8, 2


class Tending(Opening):
    """Models in directories, and deployments of them; see `Serving` for the verbs.

    It can be killed at any time: what runs goes on, and the next one takes it over. Each deployment
    is looked after by itself, in threads: one that hangs keeps no other waiting, and all those of
    one person keep no other person's. What is left to write are the private verbs that have to do
    with how replicas are run.

    Args:
        models: The published ones.
        publisher: Makes more of them.
    """

    def __init__(self, models: Models, publisher: Publisher) -> None:
        self._published = models
        self._publisher = publisher
        self._threads = ThreadPoolExecutor(_THREADS, "dllab-serving")
        self._live: dict[tuple[str, str], Live] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._making = asyncio.Lock()
        self._closed = False

    async def close(self) -> None:
        """Let go. Everything runs on."""
        if self._closed:
            return
        self._closed = True
        for live in tuple(self._live.values()):
            await live.close()
        self._live.clear()
        await asyncio.to_thread(self._threads.shutdown)

    @abstractmethod
    async def _check_wish(self, owner: str, spec: DeploymentSpec, model: ModelVersion) -> None:
        """Raises what is wrong with a wish, before anything is made."""

    @abstractmethod
    async def _check_version(self, model: ModelVersion) -> None:
        """Raises why a version cannot be served here."""

    @abstractmethod
    async def _create(self, owner: str, spec: DeploymentSpec, version: int) -> Steering:
        """Another deployment, whole or not at all."""

    @abstractmethod
    def _meet(self, controller: Steering, turn: asyncio.Semaphore) -> Live:
        """What asks its replicas."""

    @abstractmethod
    async def _look_at(self, live: Live) -> Deployment:
        """A deployment as it is now; its lock is held."""

    @abstractmethod
    async def _pulse(self, live: Live) -> float:
        """Look at it, do what is to be done, and say in how many seconds to look again."""

    async def _publish(self, owner: str, model: str, file: Path) -> ModelVersion:
        return await self._publish_about(owner, model, file, ModelFacts())

    async def _publish_about(
        self, owner: str, model: str, file: Path, facts: ModelFacts
    ) -> ModelVersion:
        self._check()
        return await self._publisher.publish(owner, model, file, facts)

    async def _download(self, owner: str, model: str, version: int, packed: bool) -> Download:
        return await self._thread(download, self._published, owner, model, version, packed)

    async def _models(self, owner: str, limit: int, after: str | None) -> ModelPage:
        return await self._thread(self._published.page, owner, limit, after)

    async def _versions(self, owner: str, model: str) -> tuple[ModelVersion, ...]:
        found = await self._thread(self._published.versions, owner, model)
        if not found:
            raise NotFound("there is no such model.")
        return found

    async def _deploy(self, owner: str, spec: DeploymentSpec) -> Deployment:
        model = await self._thread(self._published.find, owner, spec.model, spec.version)
        await self._check_wish(owner, spec, model)
        while True:
            async with self._making:
                live = self._live.get((owner, spec.name))
                if live is None or live.controller.gone:
                    live = self._tend(await self._create(owner, spec, model.version))
                    return live.controller.seen  # The look that starts it is under way.
            with suppress(NotFound):  # What was being deleted is gone by now: make it anew.
                return await self._do(live, lambda one: one.deploy(spec, model.version))

    async def _get(self, owner: str, name: str) -> Deployment:
        return await self._look(self._find(owner, name))

    async def _list(self, owner: str, limit: int, after: str | None) -> DeploymentPage:
        self._check()
        mine = {name: live for (who, name), live in self._live.items() if who == owner}
        names, following = page(sorted(mine), limit, after)
        looks = (self._look(mine[name]) for name in names)
        answers = await asyncio.gather(*looks, return_exceptions=True)
        there = []
        for answer in answers:
            if isinstance(answer, Deployment):
                there.append(answer)
            elif not isinstance(answer, NotFound):  # It went while the others were looked at.
                raise answer
        return DeploymentPage(deployments=tuple(there), next=following)

    async def live(self) -> tuple[Deployment, ...]:
        # As they were last seen, which is a moment ago: no look at each for who only counts.
        return tuple(x.seen(x.controller.seen) for x in self._all())

    async def _scale(self, owner: str, name: str, replicas: int) -> Deployment:
        return await self._do(self._find(owner, name), lambda one: one.scale(replicas))

    async def _replace(self, owner: str, name: str, by: str) -> Deployment:
        return await self._do(self._find(owner, name), lambda one: one.replace(by))

    async def _canary(self, owner: str, name: str, canary: Canary) -> Deployment:
        live = self._find(owner, name)
        model = live.controller.wish.spec.model
        found = await self._thread(self._published.find, owner, model, canary.version)
        await self._check_version(found)  # Of another format, it may not be served here.
        return await self._do(live, lambda one: one.canary(canary))

    async def _promote(self, owner: str, name: str) -> Deployment:
        return await self._do(self._find(owner, name), lambda one: one.promote())

    async def _rollback(self, owner: str, name: str) -> Deployment:
        live = self._find(owner, name)
        wish = live.controller.wish
        if wish.canary is None and wish.previous is not None:  # It may be forbidden by now.
            await self._thread(self._published.find, owner, wish.spec.model, wish.previous)
        return await self._do(live, lambda one: one.rollback())

    async def _delete(self, owner: str, name: str) -> None:
        await self._do(self._find(owner, name), lambda one: one.delete())

    async def _events(self, owner: str, name: str) -> tuple[Event, ...]:
        return await self._thread(self._find(owner, name).controller.folder.events)

    async def _call(self, owner: str, name: str, call: Call) -> Reply:
        return await self._find(owner, name).ask(call)

    # Inside.

    def _check(self) -> None:
        if self._closed:  # Nothing is known any more, and that is not the same as nothing there.
            raise Unavailable("the lab's serving is closed.", hint="Start it again.")

    def _all(self) -> Iterable[Live]:
        self._check()
        return tuple(live for live in self._live.values() if not live.controller.gone)

    def _find(self, owner: str, name: str) -> Live:
        self._check()
        live = self._live.get((owner, name))
        if live is None or live.controller.gone:
            raise NotFound("there is no such deployment.")
        return live

    async def _do(self, live: Live, do: Callable[[Steering], Deployment]) -> Deployment:
        """Something with a deployment, when nothing else is done with it."""
        async with live.lock:
            if live.controller.gone:
                raise NotFound("there is no such deployment.")
            async with live.turn:
                seen = await self._thread(do, live.controller)
        live.record.touch()  # Who wishes for something does not want it to sleep.
        live.wake.set()
        return live.seen(seen)

    async def _look(self, live: Live) -> Deployment:
        """The deployment now; as it was a moment ago when a look takes long."""
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await held.enter_async_context(live.lock)
                    await held.enter_async_context(live.turn)
            except TimeoutError:
                return live.seen(live.controller.seen)
            if live.controller.gone:
                raise NotFound("there is no such deployment.")
            return live.seen(await self._look_at(live))

    async def _thread(self, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        self._check()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: do(*args, **kwargs))

    def _tend(self, controller: Steering) -> Live:
        wish = controller.wish
        turn = self._turns.setdefault(wish.owner, asyncio.Semaphore(_EACH))
        live = self._live[wish.owner, wish.spec.name] = self._meet(controller, turn)
        live.watch = asyncio.create_task(self._watch(live), name=f"dllab-{wish.spec.name}")
        return live

    async def _watch(self, live: Live) -> None:
        """Look at a deployment again and again until it is no more."""
        controller = live.controller
        while not controller.gone and not self._closed:
            live.wake.clear()
            pause = _LONG
            try:
                pause = await self._pulse(live)
            except Exception:
                # Whatever it is, it must go on being looked after; the log has the traceback.
                _LOG.exception("A look at %s failed; the next one follows.", controller.folder.path)
            await live.rest(pause)
        key = controller.wish.owner, controller.wish.spec.name
        if self._live.get(key) is live:
            del self._live[key]
        await live.let_go()
