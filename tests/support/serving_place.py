"""`ServingPlace`: models and deployments somewhere, and people who ask them without a pause."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from dllab_hub.backends.calls import Call, Reply
from dllab_hub.backends.local.serving import LocalServing
from dllab_hub.backends.serving import Serving
from dllab_hub.errors import DLLabError, NotFound
from dllab_hub.shim.process import send
from dllab_hub.specs import Canary, Deployment, DeploymentSpec, DeploymentState, ModelVersion
from dllab_hub.state import StateDir

__all__ = ("Load", "ServingPlace", "end_all", "local_serving", "until")

_T = TypeVar("_T")
#: Answered by the model ``id_DOUBLE`` of `onnx_files`, and by every model in memory, with itself.
ROWS = [[1.0, 2.0], [3.5, -4.0]]


async def until(condition: Callable[[], Awaitable[_T]], seconds: float = 40.0) -> _T:
    """The first truthy answer."""
    give_up = time.monotonic() + seconds
    while not (answer := await condition()):
        assert time.monotonic() < give_up, f"not within {seconds} s"
        await asyncio.sleep(0.03)
    return answer


class ServingPlace:
    """A person's models and deployments.

    Args:
        serving: Where.
        files: The folder of `onnx_files`.
        owner: The person.
        balanced: Whether a balancer of its own stands before the replicas.
    """

    def __init__(
        self, serving: Serving, files: Path, owner: str = "ada", *, balanced: bool = True
    ) -> None:
        self.serving = serving
        self.balanced = balanced
        self.owner = owner
        self._files = files

    async def publish(self, model: str = "digits", file: str = "id_DOUBLE") -> ModelVersion:
        """The next version of a model, from a file of its own."""
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(self._files / f"{file}.onnx", folder)
            return await self.serving.publish(self.owner, model, Path(copy))

    async def deploy(self, replicas: int = 1, **wish: Any) -> Deployment:
        """The deployment ``digits`` of the model ``digits``, unless said otherwise."""
        spec = DeploymentSpec(**{"name": "digits", "model": "digits", "replicas": replicas, **wish})
        return await self.serving.deploy(self.owner, spec)

    async def get(self, name: str = "digits") -> Deployment:
        """As it is now."""
        return await self.serving.get(self.owner, name)

    async def state(
        self, state: DeploymentState, name: str = "digits", seconds: float = 40.0
    ) -> Deployment:
        """The deployment once it is in a state."""

        async def reached() -> Deployment | None:
            now = await self.get(name)
            return now if now.state is state else None

        return await until(reached, seconds)

    async def ready(self, name: str = "digits") -> Deployment:
        """The deployment once all its replicas answer."""
        return await self.state(DeploymentState.READY, name)

    async def canary(self, version: int = 2, **wish: Any) -> Deployment:
        """Another version of ``digits`` beside the one that serves."""
        canary = Canary(version=version, **wish)
        return await self.serving.canary(self.owner, "digits", canary)

    async def beside(self, version: int, replicas: int = 1) -> Deployment:
        """``digits`` once so many replicas of the canary's version answer."""

        async def there() -> Deployment | None:
            now = await self.get()
            answer = {each.version: each.ready for each in now.versions}
            return now if answer.get(version) == replicas else None

        return await until(there)

    async def only(self, *versions: int) -> Deployment:
        """``digits`` once no replica is there but of these versions, and of each one is."""

        async def there() -> Deployment | None:
            now = await self.get()
            return now if {one.version for one in now.replicas} == set(versions) else None

        return await until(there)

    async def served(self, replicas: int = 1) -> Deployment:
        """A published, deployed, ready ``digits``."""
        await self.publish()
        await self.deploy(replicas)
        return await self.ready()

    async def ask(
        self, rows: object = ROWS, name: str = "digits", version: int | None = None
    ) -> Reply:
        """A V1 prediction."""
        body = json.dumps({"instances": rows}).encode()
        path = f"v1/models/{name}:predict"
        headers = {"content-type": "application/json"}
        return await self.serving.call(self.owner, name, Call("POST", path, body, headers, version))

    async def gone(self, name: str = "digits") -> None:
        """Wait until the deployment is no more."""

        async def absent() -> bool:
            try:
                await self.get(name)
            except NotFound:
                return True
            return False

        await until(absent)

    async def clear(self) -> None:
        """Delete all deployments of everybody's that were made here, and wait."""
        page = await self.serving.list(self.owner, limit=500)
        for one in page.deployments:
            with suppress(NotFound):
                await self.serving.delete(self.owner, one.name)
        for one in page.deployments:
            await self.gone(one.name)


class Load:
    """Callers that ask without a pause.

    Attributes:
        answers: How often each (status or error, version of the model) came.
    """

    def __init__(self, place: ServingPlace, callers: int = 4, name: str = "digits") -> None:
        self.answers: Counter[tuple[object, str]] = Counter()
        self._place = place
        self._name = name
        self._callers = callers
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def wrong(self) -> dict[tuple[object, str], int]:
        """Answers other than 200."""
        return {key: count for key, count in self.answers.items() if key[0] != 200}

    async def more(self, answers: int = 50) -> None:
        """Wait for so many more answers."""
        goal = self.answers.total() + answers

        async def came() -> bool:
            return self.answers.total() >= goal

        await until(came)

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(self._callers)]
        await self.more()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self) -> None:
        while True:
            try:
                reply = await self._place.ask(name=self._name)
            except DLLabError as exc:
                self.answers[str(exc), ""] += 1
                await asyncio.sleep(0.01)
            else:
                self.answers[reply.status, reply.headers.get("x-model-version", "")] += 1


def end_all(state: StateDir) -> None:
    """Kill what a test that failed has left running."""
    for path in state.deployments.glob("*/*/units/*/launch.json"):
        send(json.loads(path.read_text()), signal.SIGKILL)
    shutil.rmtree(state.sockets, ignore_errors=True)


@asynccontextmanager
async def local_serving(state: StateDir, **options: Any) -> AsyncIterator[LocalServing]:
    """Serving on this machine with the image that is built; what runs there runs on."""
    server = Path(os.environ["DLLAB_TEST_SERVER"])
    serving = LocalServing(state, **{"interpreter": lambda *_: server, **options})
    await serving.start()
    try:
        yield serving
    finally:
        await serving.close()
