"""`LocalBackend`: jobs and models on this machine, and jobs on clusters that the settings name."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from ...catalog import load_catalog
from ...metrics.nvml import inventory
from ...specs import USUAL, Catalog, GpuReport
from ...state import StateDir
from .elsewhere import elsewhere
from .kept import KeptBackend
from .machine import MachineLine
from .serving import LocalServing
from .store import Store
from .workspaces import LocalWorkspaces

__all__ = ("LocalBackend",)


class LocalBackend(KeptBackend):
    """Jobs on this machine and on clusters, and models that this machine serves.

    Args:
        state: Where everything lies; one backend at a time has it. With clusters ``state.shared``
            is on storage that all of them mount.
        here: Also offer the running interpreter as an image, for a ``jupyter lab`` without a hub.
        os_users: Run each job as its owner's own account; needs root.
        gpus: UUIDs of the GPUs there are.
        cpus: How many CPUs the jobs that run may count for together; None: those that this process
            may use.
        grace: Seconds that a cancelled or paused job has for a last checkpoint.
        python: Interpreter of the shims and of the image ``here``; it can import this package.
        gpu_report: What the GPUs do now; None where nobody measures it.

    Raises:
        DLLabError: the settings of a cluster are wrong, or there can be none.
    """

    serving: LocalServing

    def __init__(
        self,
        state: StateDir,
        *,
        here: bool = False,
        os_users: bool = False,
        gpus: Callable[[], Sequence[str]] = inventory,
        cpus: float | None = None,
        grace: float = 10.0,
        python: str = sys.executable,
        gpu_report: Callable[[], Awaitable[GpuReport]] | None = None,
    ) -> None:
        self._here = here
        store = Store(state.root)
        catalog = partial(load_catalog, state, here=here)
        workspaces = LocalWorkspaces(state, limit=lambda: catalog().max_workspace_mb << 20)
        self.machine = MachineLine(
            state,
            store,
            workspaces,
            here=here,
            os_users=os_users,
            gpus=gpus,
            cpus=cpus,
            grace=grace,
            python=python,
        )
        super().__init__(
            state,
            store,
            workspaces,
            {
                USUAL["machine"].name: self.machine,
                **elsewhere(state, store, workspaces, catalog, os_users=os_users),
            },
            LocalServing(state, os_users=os_users, python=python, gpus=gpus, gpu_report=gpu_report),
            os_users=os_users,
            gpu_report=gpu_report,
        )

    async def catalog(self) -> Catalog:
        return await asyncio.to_thread(load_catalog, self._state, here=self._here)
