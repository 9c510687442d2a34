"""`LocalLabSpawner`: labs as processes of this machine, each below a shim that holds its GPUs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from jupyterhub.utils import random_port
from traitlets import Bool, Integer, Unicode, default

from ..backends.local.capacity import holders
from ..catalog import load_catalog
from ..errors import DLLabError, NoCapacity, Unavailable
from ..leases import Lease, LeaseDir
from ..metrics.nvml import inventory
from ..names import slug
from ..specs import Catalog, LabSpec, shortage
from ..state import StateDir
from .form import Offer, count, forecast, render
from .lab import Lab
from .options import Refused, from_form, from_query, read_options

__all__ = ("LocalLabSpawner",)


class LocalLabSpawner(LocalProcessSpawner):  # type: ignore[misc]
    """Starts labs on this machine.

    In single-user mode every lab runs as the account that started the hub, with a home of its own
    below ``<root>/homes/``; in OS-user mode as the account of the person's name.
    """

    os_users = Bool(
        False,
        help="""Run each lab as the operating system's account of the person's name.

        The hub must then run as root, and everything that labs use (the hub's interpreter, the
        image environments) must be readable by every account. When off, all labs run as the account
        that started the hub, which is no fence between people.
        """,
    ).tag(config=True)

    service_url = Unicode(
        "",
        help="""URL of the lab service's REST interface as labs reach it, ending in ``/dllab/api/``.

        When empty, a lab runs its own jobs, and they are not shared between labs.
        """,
    ).tag(config=True)

    stop_timeout = Integer(
        30,
        help="""Seconds a lab has for ending by itself before its processes are killed.

        In this time Jupyter Server ends its kernels, and every process that they have started is
        looked for and ended, so that the lab's GPUs are free when they are given back.
        """,
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # The hub stores a wish before anybody has looked at it; what is there now has started once.
        self._started_with: dict[str, Any] = dict(self.user_options)
        self._said: list[str] = []
        self._shim: dict[str, Any] | None = None

    @default("options_form")  # type: ignore[untyped-decorator]
    def _default_options_form(self) -> Any:
        return _form

    @default("options_from_form")  # type: ignore[untyped-decorator]
    def _default_options_from_form(self) -> Any:
        return from_form

    @default("apply_user_options")  # type: ignore[untyped-decorator]
    def _default_apply_user_options(self) -> Any:
        return _apply

    @default("cmd")  # type: ignore[untyped-decorator]
    def _default_cmd(self) -> list[str]:
        # -P: a random.py in somebody's home must not stop their lab from starting.
        return [sys.executable, "-P", "-m", "jupyterhub.singleuser"]

    def options_from_query(self, query_data: dict[str, list[str]]) -> dict[str, Any]:
        """The options of a link that starts a lab at once."""
        return from_query(query_data)

    @property
    def lab(self) -> Lab:
        """Where this lab keeps things, and as which account."""
        name = f"{self.user.name}/{self.name}" if self.name else self.user.name
        return Lab(
            state=StateDir.default(),
            id=slug(name),
            owner=self.user.name,
            server=self.name,
            os_user=self.os_users,
        )

    async def start(self) -> tuple[str, int]:
        """Start the lab: check the wish again, take the GPUs, launch below a shim.

        Raises:
            Refused: with one sentence for the person; nothing is left behind.
        """
        self._said = ["Checking what you picked"]
        with self._refusing():
            await asyncio.to_thread(self.lab.end_leftover, self.stop_timeout)
            spec, catalog = await asyncio.to_thread(self._read, self.user_options)
            with await asyncio.to_thread(self._lease, spec) as lease:
                await self._launch(spec, catalog, lease)
            await self._listening()
        self._started_with = spec.to_wire()
        return self.ip or "127.0.0.1", self.port

    async def poll(self) -> int | None:
        """None while the shim lives; a process that only has its number does not count."""
        if self.proc is not None:
            status: int | None = await super().poll()
            return status
        if self._shim is not None and self.lab.is_running(self._shim):
            return None
        self.clear_state()
        return 0

    async def stop(self, now: bool = False) -> None:
        """End the lab; returns when the shim has ended every process and given the GPUs back."""
        if await self.poll() is not None or self._shim is None:
            return
        self.lab.signal(self._shim, signal.SIGTERM)
        await self.wait_for_death(5 if now else self.stop_timeout)
        if await self.poll() is None:
            self.log.warning("The lab %s did not end in time and is killed", self._log_name)
            self.lab.signal(self._shim, signal.SIGKILL)
            await self.wait_for_death(self.kill_timeout)
            await asyncio.to_thread(self.lab.sweep)

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What is going on, for the page that waits."""
        shown = 0
        while True:
            for message in self._said[shown:]:
                shown += 1
                yield {"progress": min(90, 25 * shown), "message": message}
            await asyncio.sleep(0.2)

    def get_state(self) -> dict[str, Any]:
        """The shim's identity too: a number alone may be another process after a restart."""
        state: dict[str, Any] = super().get_state()
        return {**state, "shim": self._shim} if self._shim else state

    def load_state(self, state: dict[str, Any]) -> None:
        """After a restart of the hub: the lab goes on."""
        super().load_state(state)
        self._shim = state.get("shim")

    def clear_state(self) -> None:
        """Forget the process."""
        super().clear_state()
        self._shim = None

    def get_args(self) -> list[str]:
        """Jupyter Server's arguments."""
        args = [*super().get_args(), "--KernelSpecManager.ensure_native_kernel=False"]
        return [*args, "--ServerApp.allow_root=True"] if os.geteuid() == 0 else args

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Who the person is and where their home is."""
        if self.os_users:
            return dict(super().user_env(env))
        home = {"HOME": str(self.lab.home), "USER": self.user.name}
        return {**env, **home, "SHELL": os.environ.get("SHELL", "/bin/sh")}

    def offer(self) -> Offer:
        """What the form shows; reads files and locks, so it belongs in a thread."""
        state = StateDir.default()
        catalog = load_catalog(state)
        gpus = inventory()
        held = holders(LeaseDir(state.leases), gpus).values()
        free = len(gpus) - len(held)
        most = min(len(gpus), catalog.max_gpus)
        return Offer(
            catalog=catalog,
            gpus=len(gpus),
            held=shortage(self.user.name, len(gpus), held),
            forecasts=[forecast(number, free, len(gpus)) for number in range(most + 1)],
            os_users=self.os_users,
        )

    def keep(self, options: dict[str, Any]) -> None:
        """Make these the options of this start, and what the hub remembers for the next one."""
        self.user_options = self.orm_spawner.user_options = options
        self.user.db.commit()

    async def check(self, options: object) -> None:
        """Read the options and keep them as typed values.

        Raises:
            Refused: naming the field and the fix.
        """
        with self._refusing():
            spec, _ = await asyncio.to_thread(self._read, options)
        self.keep(spec.to_wire())

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """What cannot be had is said in one sentence, and is not what comes back preselected."""
        try:
            yield
        except DLLabError as exc:
            self.keep(self._started_with)
            raise Refused(exc) from exc

    def _read(self, options: object) -> tuple[LabSpec, Catalog]:
        catalog = load_catalog(StateDir.default())
        return read_options(options, catalog, len(inventory())), catalog

    def _lease(self, spec: LabSpec) -> Lease:
        leases = LeaseDir(self.lab.state.leases)
        gpus = inventory() if spec.gpus else ()
        try:
            return leases.take(gpus, spec.gpus, self.lab.holder)
        except NoCapacity as exc:
            why = shortage(self.user.name, len(gpus), holders(leases, gpus).values())
            raise NoCapacity(
                f"you asked for {count(spec.gpus)}, and {why}.",
                hint="Choose fewer, or wait until some are given back.",
                field="gpus",
            ) from exc

    async def _launch(self, spec: LabSpec, catalog: Catalog, lease: Lease) -> None:
        image = catalog.image(spec.image)
        with_gpus = f"with {count(spec.gpus)}" if spec.gpus else "on the CPU"
        self._said.append(f"Preparing {image.title} {with_gpus}")
        shared = {
            name
            for other in self.user.spawners.values()
            if other is not self and other.active
            for name in other.user_options.get("volumes", ())
        }
        prepared = await asyncio.to_thread(self.lab.prepare, spec, catalog, shared)
        self.port: int = self.port or random_port()
        env = {**self.get_env(), **prepared.env, "CUDA_VISIBLE_DEVICES": ",".join(lease.uuids)}
        if self.service_url:
            env["DLLAB_API_URL"] = self.service_url
        env["TENSORBOARD_PROXY_URL"] = env["JUPYTERHUB_SERVICE_PREFIX"] + "proxy/%PORT%/"
        env["PATH"] = os.pathsep.join([*prepared.path, env.get("PATH", os.defpath)])
        if prepared.first_page:
            env["JUPYTERHUB_DEFAULT_URL"] = prepared.first_page
        self.log.info("Starting the lab %s below its shim", self._log_name)
        argv = [*self.cmd, *self.get_args()]
        self.proc, self._shim = await asyncio.to_thread(self.lab.launch, prepared, argv, env, lease)
        self.pid = self.proc.pid
        self._said.append("Starting Jupyter Server, usually 3 to 6 seconds")

    async def _listening(self) -> None:
        """Return as soon as the server takes connections.

        JupyterHub asks at intervals that double, which costs up to seconds, and goes on asking a
        server that has ended already.
        """
        while self.proc is not None:
            if self.proc.poll() is not None:
                raise Unavailable(
                    f"the lab's server ended while it started: {self.lab.last_words()}",
                    hint=f"All that it said is in {self.lab.log}.",
                )
            try:
                _, writer = await asyncio.open_connection(self.ip or "127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def _form(spawner: LocalLabSpawner) -> str:
    try:
        return render(await asyncio.to_thread(spawner.offer), spawner.user_options)
    except DLLabError as exc:
        raise Refused(exc) from exc


async def _apply(spawner: LocalLabSpawner, options: object) -> None:
    await spawner.check(options)
