"""`LabServer`: the REST interface over a `MemoryBackend`, on a port of its own."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from typing import Self

from jupyter_server.auth import AllowAllAuthorizer, IdentityProvider
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from dllab_hub.server.lab import Lab
from dllab_hub.server.routes import routes
from dllab_hub.specs import GpuReport, GpuState, JobState, TrainingJob, TrainingSpec
from dllab_hub.testing import MemoryBackend

__all__ = ("LabServer",)


class _Backend(MemoryBackend):
    """Jobs that may end by themselves."""

    ending: tuple[float, JobState, str] | None = None

    async def _submit(self, owner: str, spec: TrainingSpec) -> TrainingJob:
        job = await super()._submit(owner, spec)
        if self.ending is not None:
            after, state, printed = self.ending
            if printed:
                self.write_log(job.id, "worker-0", printed)
            asyncio.get_running_loop().call_later(after, self.finish, job.id, state)
        return job


class _Gpus:
    async def report(self) -> GpuReport:
        return GpuReport(state=GpuState.NO_GPU, message="No GPU here.", time=time.time())


class LabServer:
    """Serves from a thread for as long as it is entered.

    Attributes:
        backend: What it serves; safe to change from the test, which waits while it is asked.
        token: What it takes as ``Authorization: token ...``.
        url: For ``DLLAB_API_URL``.
    """

    def __init__(self) -> None:
        self.backend = _Backend()
        self.token = secrets.token_hex()
        self.url = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def end_new_jobs_after(
        self, seconds: float, state: str = "SUCCEEDED", printed: str = ""
    ) -> None:
        """Jobs submitted from now on print and end by themselves."""
        self.backend.ending = (seconds, JobState(state), printed)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        lab = Lab(self.backend, _Gpus(), kind="memory", owner="ada")
        identity = IdentityProvider(token=self.token)
        app = Application(
            routes("/"),
            base_url="/",
            cookie_secret=secrets.token_bytes(),
            dllab=lab,
            identity_provider=identity,
            authorizer=AllowAllAuthorizer(identity_provider=identity),
            allow_remote_access=True,
            log_function=lambda handler: None,
        )
        server = HTTPServer(app)
        (socket,) = bind_sockets(0, "127.0.0.1")
        server.add_socket(socket)
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}/dllab/api/"
        lab.start()
        await asyncio.sleep(0)  # A backend in memory has started by then.
        lab.check()
        self._ready.set()
        await self._over.wait()
        server.stop()
        await server.close_all_connections()
        await lab.close()
