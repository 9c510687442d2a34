"""`LocalLabSpawner`: labs as processes of this machine, each below a shim that holds its GPUs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

from jupyterhub.spawner import LocalProcessSpawner
from jupyterhub.utils import url_escape_path
from traitlets import Bool, Integer, Unicode, default

from ..errors import DLLabError
from ..metrics import nvml
from ..names import slug
from ..specs import Catalog, LabSpec
from ..state import StateDir
from .capacity import LocalCapacity
from .config import LabCatalog
from .form import Offer
from .lab import Lab
from .options import Refused, read_options
from .page import LabForm
from .start import Start, patience
from .story import Links, Story
from .taking import Stopped, free_gpus
from .waiting import Line

__all__ = ("LocalLabSpawner",)

#: Where a lab's first page is: links to JupyterLab and TensorBoard, and the ssh command.
_LANDING = "/dllab/"


class LocalLabSpawner(LabForm, LocalProcessSpawner):  # type: ignore[misc]
    """Starts labs on this machine.

    In single-user mode every lab runs as the account that started the hub, with a home of its own
    below ``<root>/homes/``; in OS-user mode as the account of the person's name.
    """

    start_timeout: int  # JupyterHub's; each start gets its own.

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

    #: One apiece for all labs of a hub, by the state directory that they are about.
    _capacities: ClassVar[dict[StateDir, LocalCapacity]] = {}
    _lines: ClassVar[dict[StateDir, Line]] = {}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # The hub stores a wish before anybody has looked at it; what is there now has started once.
        self._started_with: dict[str, Any] = dict(self.user_options)
        self.story = Story()
        self.shim: dict[str, Any] | None = None
        self._idle = 0
        self._usual_timeout: int = self.start_timeout
        self._timeout = self._usual_timeout
        self.fixed_port: int = self.port  # What was configured; each start writes `port`.

    @default("apply_user_options")  # type: ignore[untyped-decorator]
    def _default_apply_user_options(self) -> Any:
        return _apply

    @default("cmd")  # type: ignore[untyped-decorator]
    def _default_cmd(self) -> list[str]:
        # -P: a random.py in somebody's home must not stop their lab from starting.
        return [sys.executable, "-P", "-m", "jupyterhub.singleuser"]

    @default("default_url")  # type: ignore[untyped-decorator]
    def _default_default_url(self) -> str:
        return _LANDING

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

    @property
    def groups(self) -> frozenset[str]:
        """The person's groups in the hub; asks the database, so never in a thread."""
        return frozenset(group.name for group in self.user.orm_user.groups)

    @property
    def capacity(self) -> LocalCapacity:
        """What is known of this machine's GPUs."""
        state = StateDir.default()
        return self._capacities.setdefault(state, LocalCapacity(state))

    @property
    def line(self) -> Line:
        """Who waits for them."""
        state = StateDir.default()
        return self._lines.setdefault(state, Line(lambda: free_gpus(state)))

    @property
    def links(self) -> Links:
        """Where buttons about this lab lead to."""
        name = f"/{url_escape_path(self.name)}" if self.name else ""
        hub = self.hub.base_url
        return Links(form=f"{hub}spawn/{self.user.escaped_name}{name}", home=f"{hub}home")

    async def catalog_of(self) -> Catalog:
        """What this person may pick, now.

        Raises:
            DLLabError: a setting is wrong, or no image is there.
        """
        return await asyncio.to_thread(self._catalog_reader())

    async def read(self, options: object) -> tuple[LabSpec, Catalog]:
        """The wish in these options, and what it was read against.

        Raises:
            DLLabError: naming the field and the fix.
        """
        catalog_now = self._catalog_reader()

        def read() -> tuple[LabSpec, Catalog]:
            catalog = catalog_now()
            return read_options(options, catalog, len(nvml.inventory())), catalog

        return await asyncio.to_thread(read)

    async def start(self) -> tuple[str, int]:
        """Start the lab: check the wish again, take the GPUs, launch below a shim.

        Raises:
            Refused: with one sentence for the person; nothing is left behind.
        """
        self.story = Story(self.words)
        start = Start(self, self.story)
        try:
            spec = await start.run()
        except Stopped as exc:
            self.keep(self._started_with)
            raise Refused(exc.error, start.html(exc)) from exc
        except DLLabError as exc:
            self.keep(self._started_with)
            raise Refused(exc) from exc
        except BaseException:  # Somebody stopped it: the wish is kept for the next time.
            self.keep(self.user_options)
            raise
        finally:
            self.capacity.expire()
        # The hub commits this with the address: each commit makes everybody wait for the disk.
        self._started_with = self.orm_spawner.user_options = spec.to_wire()
        return self.ip or "127.0.0.1", self.port

    async def poll(self) -> int | None:
        """None while the shim lives; a process that only has its number does not count."""
        if self.proc is not None:
            status: int | None = await super().poll()
            return status
        if self.shim is not None and self.lab.is_running(self.shim):
            return None
        self.clear_state()
        return 0

    async def stop(self, now: bool = False) -> None:
        """End the lab; returns when the shim has ended every process and given the GPUs back."""
        if await self.poll() is not None or self.shim is None:
            return
        self.lab.signal(self.shim, signal.SIGTERM)
        await self.wait_for_death(5 if now else self.stop_timeout)
        if await self.poll() is None:
            self.log.warning("The lab %s did not end in time and is killed", self._log_name)
            self.lab.signal(self.shim, signal.SIGKILL)
            await self.wait_for_death(self.kill_timeout)
            await asyncio.to_thread(self.lab.sweep)
        self.capacity.expire()

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What is going on, for the page that waits."""
        async for event in Story.follow(lambda: self.story):
            yield event

    def get_state(self) -> dict[str, Any]:
        """The shim's identity too: a number alone may be another process after a restart.

        ``idle`` is for the culler: minutes without use after which it stops the lab, 0 for never.
        """
        state: dict[str, Any] = super().get_state()
        return {**state, "shim": self.shim, "idle": self._idle} if self.shim else state

    def load_state(self, state: dict[str, Any]) -> None:
        """After a restart of the hub: the lab goes on."""
        super().load_state(state)
        self.shim = state.get("shim")
        self._idle = state.get("idle", 0)

    def clear_state(self) -> None:
        """Forget the process."""
        super().clear_state()
        self.shim = None
        self.proc = None

    def started(self, proc: Any, shim: dict[str, Any] | None, idle: int) -> None:
        """Remember the process that was launched.

        Args:
            proc: The shim.
            shim: Its identity.
            idle: As in `get_state`.
        """
        self.proc, self.shim, self._idle = proc, shim, idle
        self.pid = proc.pid

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

    async def offer(self) -> Offer:
        """What the form shows."""
        catalog = await self.catalog_of()
        seen = await self.capacity.outlook(self.user.name, self.groups, catalog)
        return Offer(
            catalog=catalog,
            gpus=seen.gpus,
            held=seen.held,
            forecasts=seen.forecasts,
            os_users=self.os_users,
            shared="All labs on this machine share its CPUs and memory.",
        )

    def keep(self, options: dict[str, Any]) -> None:
        """Make these the options of this start, and what the hub remembers for the next one."""
        self.user_options = self.orm_spawner.user_options = options
        self.user.db.commit()

    def _catalog_reader(self) -> Callable[[], Catalog]:
        """For a thread; the database is asked here."""
        settings, user, groups = LabCatalog(parent=self), self.user.name, self.groups
        return lambda: settings.catalog("machine").for_person(user, groups)

    async def check(self, options: object) -> None:
        """Read the options into typed values, and set how long the start may take.

        Raises:
            Refused: naming the field and the fix.
        """
        try:
            spec, catalog = await self.read(options)
        except DLLabError as exc:
            self.keep(self._started_with)
            raise Refused(exc) from exc
        self.user_options = spec.to_wire()
        if self.start_timeout != self._timeout:  # A group's setting, made anew at each start.
            self._usual_timeout = self.start_timeout
        self.start_timeout = self._timeout = self._usual_timeout + patience(spec, catalog)


async def _apply(spawner: LocalLabSpawner, options: object) -> None:
    await spawner.check(options)
