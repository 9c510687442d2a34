"""When this lab is stopped for want of use, and what can be done about it."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Protocol

from ..errors import NotFound
from ..specs import Idle, Restart, RestartWish
from .activity import Activity
from .handler import LabHandler, allowed

__all__ = ("ROUTES", "IdleWatch", "Restarter")


class Restarter(Protocol):
    """Restarts labs with another number of GPUs: the lab service does."""

    async def restart(self, owner: str, wish: RestartWish) -> Restart:
        """Begin to; returns at once. Asked twice for one lab, it is the same restart."""

    async def restarted(self, owner: str, server: str) -> Restart:
        """The last one of this lab."""


class IdleWatch:
    """One lab's use and its limit.

    Args:
        activity: Knows whether it is used.
        limit: Minutes; 0 for none.
        gpus: How many it holds.
        server: JupyterHub's name of it.
        far: The lab service.
    """

    def __init__(
        self, activity: Activity, *, limit: int, gpus: int, server: str, far: Restarter
    ) -> None:
        self.activity = activity
        self.server = server
        self.far = far
        self._limit = limit
        self._gpus = gpus

    def now(self) -> Idle:
        """The state now."""
        since = self.activity.last
        return Idle(
            limit=self._limit,
            since=since,
            stops=since + 60 * self._limit if self._limit else None,
            active=self.activity.active,
            gpus=self._gpus,
            now=time.time(),
        )

    async def keep(self) -> Idle:
        """Somebody is there. The hub knows it when this returns, if it can be reached."""
        self.activity.mark()
        await self.activity.tell()
        return self.now()


class _IdleHandler(LabHandler):
    @property
    def idle(self) -> IdleWatch:
        """Of this lab.

        Raises:
            NotFound: it is no lab of a hub.
        """
        if self.lab.idle is None:
            raise NotFound("nothing stops this server when it is idle: it is no lab of a hub.")
        return self.lab.idle

    def update_api_activity(self) -> None:
        """`IdleWatch.keep` counts; the rest is no use."""


class State(_IdleHandler):
    """``idle``."""

    @allowed
    async def get(self) -> None:
        """Since when, until when."""
        self.query()
        self.reply(self.idle.now())


class Keep(_IdleHandler):
    """``idle/keep``."""

    @allowed
    async def post(self) -> None:
        """The person is there."""
        self.query()
        self.reply(await self.idle.keep())


class ReleaseGpus(_IdleHandler):
    """``idle/release-gpus``."""

    @allowed
    async def post(self) -> None:
        """Restart this lab on the CPU."""
        self.query()
        idle = self.idle
        wish = RestartWish(server=idle.server, gpus=0)
        self.reply(await idle.far.restart(self.owner, wish), HTTPStatus.ACCEPTED)


class RestartHere(_IdleHandler):
    """``idle/restart``: of this lab."""

    @allowed
    async def get(self) -> None:
        """What became of the last one."""
        self.query()
        idle = self.idle
        self.reply(await idle.far.restarted(self.owner, idle.server))

    @allowed
    async def post(self) -> None:
        """With so many GPUs."""
        self.query()
        idle = self.idle
        wish = (await self.read(RestartWish.from_wire)).model_copy(update={"server": idle.server})
        self.reply(await idle.far.restart(self.owner, wish), HTTPStatus.ACCEPTED)


class RestartAny(LabHandler):
    """``labs/restart``: of any lab of the person, at the lab service."""

    @property
    def restarter(self) -> Restarter:
        """Who restarts labs.

        Raises:
            NotFound: it is not here.
        """
        if self.lab.restarter is None:
            raise NotFound("labs are not restarted from here.")
        return self.lab.restarter

    @allowed
    async def get(self) -> None:
        """What became of the last one."""
        server = self.query("server").text("server")
        self.reply(await self.restarter.restarted(self.owner, server or ""))

    @allowed
    async def post(self) -> None:
        """With so many GPUs."""
        self.query()
        restarter = self.restarter
        wish = await self.read(RestartWish.from_wire)
        self.reply(await restarter.restart(self.owner, wish), HTTPStatus.ACCEPTED)


ROUTES = (
    ("idle", State),
    ("idle/keep", Keep),
    ("idle/release-gpus", ReleaseGpus),
    ("idle/restart", RestartHere),
    ("labs/restart", RestartAny),
)
