"""`LocalBackend`: jobs on this machine. One directory and one shim process for each."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from ...catalog import HERE, interpreter, load_catalog
from ...errors import NotFound, Unavailable
from ...leases import LeaseDir
from ...metrics.nvml import inventory
from ...names import new_id
from ...specs import (
    Capacity,
    Catalog,
    Checkpoint,
    Event,
    JobPage,
    JobState,
    LogChunk,
    TrainingJob,
    TrainingSpec,
)
from ...state import StateDir
from ..base import Backend
from . import readings
from .account import account_of, known_account
from .capacity import capacity
from .jobdir import JobDir, read_account
from .launch import Launcher
from .logs import read_log
from .queue import Queue
from .serving import LocalServing
from .store import Store, disk_errors

__all__ = ("LocalBackend",)

_LOG = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")
#: Seconds between two looks at jobs that live.
_TICK = 0.5
#: A driver may hang; jobs that need no new GPU must not wait for it.
_DRIVER_PATIENCE = 2.0


class LocalBackend(Backend):
    """Jobs on this machine.

    It can be killed at any time: what runs goes on, and the next one takes it over. Decisions are
    made on one thread of its own, so the event loop never waits for a disk or a process.

    Args:
        state: Where everything lies; one backend at a time has it.
        here: Also offer the running interpreter as an image, for a ``jupyter lab`` without a hub.
        os_users: Run each job as its owner's own account; needs root.
        gpus: UUIDs of the GPUs there are.
        grace: Seconds that a cancelled job has for a last checkpoint.
        python: Interpreter of the shims and of the image ``here``; it can import this package.
    """

    serving: LocalServing

    def __init__(
        self,
        state: StateDir,
        *,
        here: bool = False,
        os_users: bool = False,
        gpus: Callable[[], Sequence[str]] = inventory,
        grace: float = 10.0,
        python: str = sys.executable,
    ) -> None:
        self._state = state
        self._here = here
        self._os_users = os_users
        self._read_gpus = gpus
        self._python = python
        self._leases = LeaseDir(state.leases)
        self._store = Store(state.root)
        self._launcher = Launcher(
            state,
            self._leases,
            self._interpreter,
            partial(load_catalog, state, here=here),
            grace=grace,
            os_users=os_users,
            python=python,
        )
        self._queue = Queue(state, self._store, self._leases, self._launcher, grace)
        self.serving = LocalServing(state, os_users=os_users, python=python)
        self._keeper = ThreadPoolExecutor(1, "dllab-jobs")
        self._lock: int | None = None
        self._closed = False
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._gpus: tuple[str, ...] = ()
        self._asked: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the state directory and everything that runs there.

        Raises:
            Unavailable: another service has the directory, or it cannot be written.
            StorageFull: there is no room for the index.
        """
        await self._keep(self._open)
        await self.serving.start()
        self._watch = asyncio.create_task(self._run(), name="dllab-jobs")

    async def close(self) -> None:
        """Let go. Jobs run on."""
        for task in (self._watch, self._asked):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if self._closed:
            return
        await self.serving.close()
        await self._keep(self._shut)
        self._closed = True
        await asyncio.to_thread(self._keeper.shutdown)

    async def catalog(self) -> Catalog:
        return await asyncio.to_thread(load_catalog, self._state, here=self._here)

    async def _submit(self, owner: str, spec: TrainingSpec) -> TrainingJob:
        account = await asyncio.to_thread(account_of, owner, self._os_users)
        job = TrainingJob(
            id=new_id(spec.name),
            owner=owner,
            spec=spec,
            state=JobState.PENDING,
            reason="starting.",
            created=time.time(),
        )
        gpus = await self._inventory() if spec.gpus else ()
        # Many files are many fsyncs: others are being answered meanwhile.
        job = await asyncio.to_thread(self._launcher.prepare, job, account)
        job = await self._keep(self._queue.submit, job, account, gpus)
        self._wake.set()
        return job

    async def _get(self, owner: str, id: str) -> TrainingJob:
        job = await asyncio.to_thread(self._store.find, owner, id)
        if job is not None and not job.state.is_terminal:
            # The look may find that it has ended; what it wrote is then the newest.
            job = await self._keep(self._queue.look, id) or await asyncio.to_thread(
                self._store.find, owner, id
            )
        if job is None:
            raise NotFound("there is no such job.")
        return job

    async def _list(
        self, owner: str, states: frozenset[JobState], limit: int, after: str | None
    ) -> JobPage:
        jobs, following = await asyncio.to_thread(self._store.page, owner, states, limit, after)
        if all(job.state.is_terminal for job in jobs):
            return JobPage(jobs=tuple(jobs), next=following)
        # The index knows states; step, checkpoint and replicas of what runs are newer in memory.
        seen = await self._keep(lambda: [self._queue.find(job.id) or job for job in jobs])
        return JobPage(jobs=tuple(seen), next=following)

    async def _cancel(self, owner: str, id: str) -> TrainingJob:
        job = await self._keep(self._queue.cancel, id, owner)
        self._wake.set()
        return job or await self._get(owner, id)

    async def _logs(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int, limit: int
    ) -> LogChunk:
        job = await self._get(owner, id)
        return await asyncio.to_thread(
            lambda: read_log(self._folder(id).run, job, replica, attempt, offset, limit)
        )

    async def _events(self, owner: str, id: str) -> tuple[Event, ...]:
        await self._get(owner, id)
        return await asyncio.to_thread(lambda: self._folder(id).events())

    async def _checkpoints(self, owner: str, id: str) -> tuple[Checkpoint, ...]:
        await self._get(owner, id)
        return await asyncio.to_thread(lambda: readings.checkpoints(self._folder(id).run))

    async def _capacity(self, owner: str, gpus: int | None) -> Capacity:
        there = await self._inventory()
        return await asyncio.to_thread(capacity, self._leases, there, owner, gpus)

    async def _lend(self, owner: str, lab: str, lend: bool) -> None:
        if not await asyncio.to_thread(self._leases.lend, owner, lab, lend):
            raise NotFound("you have no such lab with GPUs.", field="lab")
        self._wake.set()  # A job may have waited for it.

    # On the thread of decisions.

    async def _keep(self, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._closed:
            raise Unavailable("the lab's job service is closed.", hint="Start it again.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._keeper, lambda: do(*args, **kwargs))

    def _open(self) -> None:
        for path in (
            self._state.root,
            self._state.jobs,
            self._state.tensorboard,
            self._state.leases,
            self._state.models,
            self._state.deployments,
        ):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._os_users:  # Accounts pass through to their own directories, and see no names.
            through = (self._state.jobs, self._state.models, self._state.deployments)
            for path in (self._state.root, self._state.tensorboard, *through):
                path.chmod(0o711)
        self._lock = _take(self._state.root / "service.lock")
        try:
            self._store.open()
            self._queue.adopt()
        except BaseException:
            self._shut()
            raise

    def _shut(self) -> None:
        self._store.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _interpreter(self, image: str) -> Path:
        return Path(self._python) if image == HERE else interpreter(self._state, image)

    def _folder(self, id: str) -> JobDir:
        path = self._state.jobs / id
        return JobDir(path, known_account(path, read_account(path)))

    # Time.

    async def _run(self) -> None:
        """Look at the jobs again and again while there are any."""
        while True:
            self._wake.clear()
            try:
                gpus = await self._inventory() if self._queue.wants_gpus else self._gpus
                await self._keep(self._queue.tick, gpus)
            except Exception:
                # Whatever it is, jobs must go on being watched; the log has it with its traceback.
                _LOG.exception("A look at the jobs failed; the next one follows.")
            if self._queue.busy:
                await asyncio.sleep(_TICK)
            else:
                await self._wake.wait()

    async def _inventory(self) -> tuple[str, ...]:
        """The GPUs there are; those that were there when the driver does not answer in time."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask_driver(), name="dllab-gpus")
        done, _ = await asyncio.wait({self._asked}, timeout=_DRIVER_PATIENCE)
        for task in done:
            task.result()
        return self._gpus

    async def _ask_driver(self) -> None:
        self._gpus = tuple(await asyncio.to_thread(self._read_gpus))


def _take(path: Path) -> int:
    """The lock that makes this the one service of a state directory."""
    try:
        with disk_errors():
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as exc:
        raise Unavailable(
            f"{path.parent} belongs to another user.", hint="Choose another with DLLAB_HOME."
        ) from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        pid = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise Unavailable(
            f"another lab service (process {pid}) runs jobs in {path.parent}.",
            hint="Stop it, or choose another directory with DLLAB_HOME.",
        ) from exc
    with suppress(OSError):  # A courtesy to whoever is refused.
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
