"""`Start`: one start of a lab on this machine, from the wish to a server that listens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import time
from typing import TYPE_CHECKING

from jupyterhub.utils import random_port

from .. import diagnosis
from ..leases import Lease
from ..specs import CUSTOM, Catalog, Cause, LabSpec
from . import packages
from .prepared import Prepared, idle_minutes
from .story import Story, buttons
from .taking import Stopped, Taking

if TYPE_CHECKING:
    from .local import LocalLabSpawner

__all__ = ("Start", "patience")

#: Minutes that a lab waits for an environment that is being built, at least.
_BUILD = 60
#: Minutes for the packages on top; pip gives up before.
_PACKAGES = 35
#: Bytes that a lab needs on its disk; with less not even a notebook can be saved.
_ROOM = 16 << 20
#: Times that a server is launched whose port somebody else was quicker to take.
_TRIES = 3


def patience(spec: LabSpec, catalog: Catalog) -> int:
    """Seconds that a start may take on top of what a start usually takes."""
    minutes = spec.wait if spec.gpus else 0
    if spec.image != CUSTOM and catalog.image(spec.image).state != "ready":
        minutes += max(_BUILD, spec.wait)
    return 60 * (minutes + (_PACKAGES if spec.requirements else 0))


class Start:
    """Cancelled at any moment, it leaves nothing: no process, no GPU.

    Args:
        spawner: Whose lab it is.
        story: Told what happens.
    """

    def __init__(self, spawner: LocalLabSpawner, story: Story) -> None:
        self.spawner = spawner
        self.story = story
        self.lab = spawner.lab
        self._spec: LabSpec | None = None

    async def run(self) -> LabSpec:
        """Start it.

        Returns:
            What has started.

        Raises:
            Stopped, DLLabError: with one sentence for the person; nothing is left behind.
        """
        spawner = self.spawner
        self.story.say("Checking what you picked", 5)
        await asyncio.to_thread(self.lab.end_leftover, spawner.stop_timeout)
        spec, catalog = await spawner.read(spawner.user_options)
        self._spec = spec
        catalog = await self._built(spec, catalog)
        with contextlib.ExitStack() as held:
            taking = Taking(spawner, self.story, spec, catalog)
            lease = await taking.now()
            if lease is not None:
                held.enter_context(lease)
            title = spec.custom if spec.image == CUSTOM else catalog.image(spec.image).title
            self.story.say(f"Preparing {title}", 25)
            prepared = await self._prepare(spec, catalog)
            if lease is None:
                lease = held.enter_context(await taking.wait())
            await self._serve(spec, catalog, prepared, lease)
        return spec

    def html(self, stop: Stopped) -> str:
        """Why it stopped, with buttons, for the page that waits."""
        assert self._spec is not None
        said = f"{stop.found.message} {stop.found.hint}".strip()
        doors = buttons(stop.found, self._spec, self.spawner.links, self.story.words)
        return self.story.html(said, doors)

    async def _built(self, spec: LabSpec, catalog: Catalog) -> Catalog:
        """Wait until the image's environment is built."""
        if spec.image == CUSTOM:
            return catalog
        title, began = catalog.image(spec.image).title, time.monotonic()
        while True:
            image = next((i for i in catalog.images if i.name == spec.image), None)
            if image is None or image.state == "missing":
                raise Stopped(diagnosis.missing(spec.image, title))
            if image.state == "ready":
                return catalog
            found = diagnosis.building(image)
            if time.monotonic() - began > 60 * max(_BUILD, spec.wait):
                raise Stopped(found)
            links, words = self.spawner.links, self.story.words
            doors = buttons(found, spec, links, words, waiting=True)
            self.story.tell(found, found.hint, doors)
            await asyncio.sleep(1)
            catalog = await self.spawner.catalog_of()

    async def _prepare(self, spec: LabSpec, catalog: Catalog) -> Prepared:
        shared = {
            name
            for other in self.spawner.user.spawners.values()
            if other is not self.spawner and other.active
            for name in other.user_options.get("volumes", ())
        }
        try:
            prepared = await asyncio.to_thread(self._on_disk, spec, catalog, shared)
        except OSError as exc:
            if (found := diagnosis.of_error(exc, "the labs")) is None:
                raise
            raise Stopped(found) from exc
        await self._add_packages(spec, prepared)
        return prepared

    def _on_disk(self, spec: LabSpec, catalog: Catalog, shared: set[str]) -> Prepared:
        prepared = self.lab.prepare(spec, catalog, shared)
        for where, path in (("the labs", self.lab.directory), ("your home", prepared.home)):
            if shutil.disk_usage(path).free < _ROOM:
                raise Stopped(diagnosis.disk_full(where))
        return prepared

    async def _add_packages(self, spec: LabSpec, prepared: Prepared) -> None:
        """What is listed goes into the overlay, once for the same list and the same overlay."""
        if not spec.requirements:
            return
        about = (self.lab.directory / "packages", prepared.python, spec.requirements)
        if await asyncio.to_thread(packages.is_satisfied, *about):
            return
        self.story.say("Installing the packages that you listed", 35)
        await packages.install(
            str(prepared.python),
            spec.requirements,
            self.story.say,
            environ=self.lab.account.environ(),
            account=prepared.account,
            cwd="/",
        )
        await asyncio.to_thread(packages.remember, *about)

    async def _serve(
        self, spec: LabSpec, catalog: Catalog, prepared: Prepared, lease: Lease
    ) -> None:
        spawner = self.spawner
        fixed = spawner.fixed_port
        self.story.say("Starting Jupyter Server, usually 3 to 6 seconds", 60)
        for attempt in range(_TRIES):
            spawner.port = fixed or random_port()
            if fixed and _is_taken(spawner.ip or "127.0.0.1", fixed):
                raise Stopped(diagnosis.port_taken(fixed))
            await self._launch(prepared, lease, idle_minutes(spec, catalog))
            try:
                await self._listening()
            except Stopped as exc:
                spawner.clear_state()
                again = exc.found.cause is Cause.PORT_TAKEN and not fixed
                if not again or attempt + 1 == _TRIES:
                    raise
            else:
                return

    async def _launch(self, prepared: Prepared, lease: Lease, idle: int) -> None:
        """Start the shim, and know it also when the start is cancelled in this very moment."""
        spawner = self.spawner
        argv = [*spawner.cmd, *spawner.get_args()]
        env = self._environment(prepared, lease)
        launch = asyncio.create_task(asyncio.to_thread(self.lab.launch, prepared, argv, env, lease))
        try:
            await asyncio.shield(launch)
        finally:
            await asyncio.wait({launch})  # Milliseconds.
            if launch.exception() is None:
                spawner.started(*launch.result(), idle)

    def _environment(self, prepared: Prepared, lease: Lease) -> dict[str, str]:
        spawner = self.spawner
        env: dict[str, str] = {**spawner.get_env(), **prepared.env}
        env["CUDA_VISIBLE_DEVICES"] = ",".join(lease.uuids)
        if spawner.service_url:
            env["DLLAB_API_URL"] = spawner.service_url
        env["TENSORBOARD_PROXY_URL"] = env["JUPYTERHUB_SERVICE_PREFIX"] + "proxy/%PORT%/"
        env["PATH"] = os.pathsep.join([*prepared.path, env.get("PATH", os.defpath)])
        if prepared.first_page:
            env["JUPYTERHUB_DEFAULT_URL"] = prepared.first_page
        return env

    async def _listening(self) -> None:
        """Return as soon as the server takes connections.

        JupyterHub asks at intervals that double, which costs up to seconds, and goes on asking a
        server that has ended already.
        """
        spawner = self.spawner
        while spawner.proc is not None:
            if spawner.proc.poll() is not None:
                lines, record = await asyncio.to_thread(
                    lambda: (self.lab.last_lines(), self.lab.exit_record())
                )
                spawner.log.warning("All that the server said is in %s", self.lab.log)
                raise Stopped(
                    diagnosis.crashed("the lab's server", lines, record, "while it started")
                )
            if await _takes_connections(spawner.ip or "127.0.0.1", spawner.port):
                return
            await asyncio.sleep(0.05)


async def _takes_connections(ip: str, port: int) -> bool:
    """Asked twenty times a second and lab, so without the streams that asyncio puts around it."""
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probe:
        probe.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(probe, (ip, port))
        except OSError:
            return False
    return True


def _is_taken(ip: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
        except OSError:
            return True
    return False
