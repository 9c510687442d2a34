"""`LocalServing`: models and deployments on this machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .... import images
from ....leases import LeaseDir
from ....metrics.nvml import inventory
from ....specs import Deployment, DeploymentSpec, LogChunk, ModelFormat, ModelVersion
from ....state import StateDir
from ..account import account_of
from ..shims import Shims
from .caller import BalancerCaller
from .controller import Controller
from .folders import Folders
from .gpuload import Measure
from .gpus import Gpus
from .haproxy import binary
from .inspection import inspect
from .live import Live
from .logs import read_log
from .models import Draft, Models
from .pickles import Pickles
from .publisher import Publisher
from .steering import Steering
from .tending import Tending
from .wish import Wish

__all__ = ("LocalServing",)

#: Seconds between two looks at a deployment while something changes, and while nothing does.
_QUICK, _CALM = 0.1, 0.5


class LocalServing(Tending):
    """Models and deployments on this machine; see the package.

    Args:
        state: Where everything lies.
        os_users: Run what serves a person's models as the person's own account; needs root.
        python: Interpreter of the shims; it can import this package.
        interpreter: Gives the Python of the image that serves a format.
        gpus: UUIDs of the GPUs there are.
        gpu_report: Says what they do now; None where nobody does.
    """

    def __init__(
        self,
        state: StateDir,
        *,
        os_users: bool = False,
        python: str = sys.executable,
        interpreter: Callable[[StateDir, str], Path] = images.server_of,
        gpus: Callable[[], Sequence[str]] = inventory,
        gpu_report: Measure | None = None,
    ) -> None:
        self._os_users = os_users
        self._python: Callable[[ModelFormat], Path] = partial(interpreter, state)
        models = Models(state.models, Pickles(state))
        account = partial(account_of, os_users=os_users)
        super().__init__(models, Publisher(models, self._look_into, account))
        self._shims = Shims(os_users=os_users, python=python)
        self._gpus = Gpus(LeaseDir(state.leases), gpus, gpu_report)
        self._folders = Folders(state, models, self._shims, self._python, self._gpus)

    async def start(self) -> None:
        """Take over what runs."""
        for controller in await self._thread(self._folders.adopt):
            self._tend(controller)

    async def _look_into(self, owner: str, draft: Draft, example: str) -> dict[str, Any]:
        python = await asyncio.to_thread(self._python, draft.format)
        return await inspect(python, draft.file, draft.account, example)

    async def _check_wish(self, owner: str, spec: DeploymentSpec, model: ModelVersion) -> None:
        # Else it would fail again and again, later.
        await self._thread(account_of, owner, self._os_users)
        await self._thread(self._gpus.check, spec, model.format)
        await self._check_version(model)
        await self._thread(binary)

    async def _check_version(self, model: ModelVersion) -> None:
        await self._thread(self._python, model.format)

    async def _create(self, owner: str, spec: DeploymentSpec, version: int) -> Steering:
        account = await self._thread(account_of, owner, self._os_users)
        return await self._thread(self._folders.create, Wish.new(owner, account, spec, version))

    def _meet(self, controller: Steering, turn: asyncio.Semaphore) -> Live:
        here = _here(controller)
        caller = BalancerCaller(here.socket, here.account.uid)
        return Live(controller, turn, caller, self._gpus.measure)

    async def _look_at(self, live: Live) -> Deployment:
        return await self._thread(_here(live.controller).tick)

    async def _pulse(self, live: Live) -> float:
        controller = _here(live.controller)
        try:
            async with live.lock, live.turn:
                if not controller.gone:
                    await self._thread(controller.tick)
                    await live.measure()
                    if (do := live.next()) is not None:
                        await self._thread(do)
        finally:
            self._shims.reap()
        return _CALM if controller.is_settled else _QUICK

    async def _logs(
        self, owner: str, name: str, replica: str | None, offset: int, limit: int
    ) -> LogChunk:
        controller = _here(self._find(owner, name).controller)
        return await self._thread(
            read_log, controller.folder, controller.account, replica, offset, limit
        )


def _here(controller: Steering) -> Controller:
    """What looks after it on this machine: no other is made here."""
    assert isinstance(controller, Controller)
    return controller
