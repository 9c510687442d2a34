"""`ClusterLine`: jobs that run on a cluster, each as a JobSet.

What is to be there is compared with what is there, again and again, and the difference is made:
nothing depends on an answer that may get lost. Names follow from ids, so that nothing is made
twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from ...errors import Conflict, DLLabError, NotFound, Unavailable
from ...manifests.cluster import Cluster
from ...manifests.nodes import capacity
from ...specs import Capacity, Catalog, JobLimits, Preflight, TrainingJob, TrainingSpec
from ...state import StateDir
from ..local.account import Account
from ..local.disk import disk_errors
from ..local.draft import Draft, drafted, to_the_end
from ..local.line import Keep, Line
from ..local.prepare import Preparer
from ..local.store import Store
from .api import Api
from .jobs import ClusterJobs
from .machines import Machines
from .maker import Maker
from .refusing import check_spec, looked
from .room import check_room
from .view import Seen, View
from .wishes import Wish

__all__ = ("ClusterLine",)

_LOG = logging.getLogger(__name__)
#: Seconds between two looks: at files of jobs, at the least, and while there are no jobs.
_TICK, _LEAST, _QUIET = 2.0, 0.1, 60.0
#: Seconds between two attempts to reach a cluster that cannot be reached at the start.
_AGAIN = 5.0
#: Seconds between two looks for what the cluster lacks.
_ANEW = 30.0
#: Seconds that whoever submits waits for the JobSet; after that it is made without them.
_PATIENCE = 5.0
#: Seconds that whoever resumes waits for the last launch to end.
_LAST_MOMENTS = 20.0


class ClusterLine(Line):
    """Makes and removes JobSets, and follows what becomes of them.

    Args:
        state: Where things lie; ``state.shared`` is on the claim that the pods mount.
        store: Index of all jobs.
        preparer: Writes directories of jobs.
        settings: The administrator's, as they are now. Blocks.
        catalog: As it is now. Blocks.
        connect: Opens the way to the API server.
        account: Whose the files are that jobs may change.
    """

    def __init__(
        self,
        state: StateDir,
        store: Store,
        preparer: Preparer,
        settings: Callable[[], Cluster],
        catalog: Callable[[], Catalog],
        connect: Callable[[], Any],
        account: Account,
    ) -> None:
        self.cpus = float("inf")
        self._state, self._preparer, self._account = state, preparer, account
        self._began = time.time()
        self._settings, self._catalog, self._connect = settings, catalog, connect
        self._jobs = ClusterJobs(state, store, preparer.located)
        self._api: Api | None = None
        self._view: View | None = None
        self._trouble = "the cluster is being looked for."
        self._keep: Keep | None = None
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._found = asyncio.Event()
        self._maker: Maker | None = None

    @property
    def current(self) -> float:
        """As in `Line`; until the cluster is found, since when it is looked for."""
        return self._began if self._view is None else self._view.current

    @property
    def known(self) -> Callable[[TrainingJob], TrainingJob]:
        """As in `Line`."""
        return self._jobs.known

    @known.setter
    def known(self, known: Callable[[TrainingJob], TrainingJob]) -> None:
        self._jobs.known = known

    @property
    def holding(self) -> Callable[[str], list[TrainingJob]]:
        """As in `Line`."""
        return self._jobs.holding

    @holding.setter
    def holding(self, holding: Callable[[str], list[TrainingJob]]) -> None:
        self._jobs.holding = holding

    async def start(self, keep: Keep) -> None:
        self._keep = keep
        self._watch = asyncio.create_task(self._run(), name="dllab-cluster")

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None
        if self._maker is not None:
            await self._maker.close()
        if self._view is not None:
            await self._view.close()
        if self._api is not None:
            await self._api.close()

    @asynccontextmanager
    async def draft(self, owner: str, spec: TrainingSpec) -> AsyncIterator[Draft]:
        self._ready()
        check_spec(spec, await asyncio.to_thread(self._catalog))
        prepare, account = self._preparer.prepare, self._account
        async with drafted(self._state, prepare, owner, spec, account=account) as draft:
            yield draft

    async def preflight(self, draft: Draft, *, deep: bool) -> Preflight:
        return looked(deep=deep)

    async def submit(self, draft: Draft, limits: JobLimits) -> TrainingJob:
        maker, _ = self._ready()
        job, id = draft.job, draft.job.id
        try:
            async with asyncio.timeout(_PATIENCE):
                # What the cluster would refuse is refused before anything is kept.
                await maker.try_out(job)
        except (Unavailable, Conflict, NotFound, TimeoutError) as exc:
            _LOG.warning("%s is accepted though the cluster was not asked: %s", id, exc)
        await self._open_tensorboard(job)
        await to_the_end(self._kept(self._jobs.accept, job, draft.folder, limits))
        maker.begin([Wish(id, make=True)])
        await maker.wait(id, _PATIENCE)
        self.wake()
        return await self._kept(self._jobs.find, id) or job

    async def _open_tensorboard(self, job: TrainingJob) -> None:
        """What a kubelet makes for a mount would be root's, and the job could not write there."""
        with disk_errors():
            await asyncio.to_thread(self._preparer.open_tensorboard, job, self._account)

    async def resume(
        self, job: TrainingJob, by: str, limits: JobLimits, *, again: bool = False
    ) -> TrainingJob:
        maker, _ = self._ready()
        # What cannot be made any more is not taken out of its rest.
        await asyncio.to_thread(maker.manifest, job, job.attempt + 1)
        await self._open_tensorboard(job)
        give_up, resume = time.monotonic() + _LAST_MOMENTS, partial(self._jobs.resume, again=again)
        while (found := await self._kept(resume, job, by, limits)) is None:
            self.wake()
            if time.monotonic() > give_up:
                raise Unavailable("the job is still ending.", hint="Try again in a moment.")
            await asyncio.sleep(0.1)
        self.wake()
        resumed: TrainingJob = found
        return resumed

    async def check_room(self, owner: str, spec: TrainingSpec) -> None:
        if (view := self._ready()[1]).cluster.autoscaling:
            return
        try:
            rows = view.machines.rows()
        except Unavailable:
            return  # Nobody knows: the cluster itself says so in time.
        await asyncio.to_thread(lambda: check_room(spec, *rows, self._catalog()))

    async def capacity(self, owner: str, gpus: int | None) -> Capacity:
        _, view = self._ready()
        rows = view.machines.rows()
        return await asyncio.to_thread(lambda: capacity(owner, *rows, self._catalog(), gpus))

    async def lend(self, owner: str, lab: str, lend: bool) -> None:
        raise NotFound(
            "a lab on a cluster cannot lend its GPUs.", hint="Stop the lab instead.", field="lab"
        )

    def wake(self) -> None:
        self._wake.set()

    def adopt(self) -> None:
        self._jobs.adopt(self.mine)

    def all(self) -> list[TrainingJob]:
        return self._jobs.all()

    def find(self, id: str) -> TrainingJob | None:
        return self._jobs.find(id)

    def look(self, id: str) -> TrainingJob | None:
        return self._jobs.look(id)

    def cancel(self, owner: str, id: str, by: str) -> TrainingJob | None:
        return self._jobs.cancel(owner, id, by)

    def pause(self, id: str, by: str, *, again: bool = False) -> TrainingJob | None:
        return self._jobs.pause(id, by, again=again)

    def noted(self, id: str, changes: Mapping[str, Any]) -> None:
        self._jobs.noted(id, changes)

    @property
    def machines(self) -> Machines | None:
        """Nodes, and pods of all namespaces; None while the cluster has not been found."""
        return None if self._view is None else self._view.machines

    async def found(self, seconds: float) -> None:
        """Wait until the cluster has been found, so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._found.wait()

    def _ready(self) -> tuple[Maker, View]:
        """What makes and what sees the objects of the cluster.

        Raises:
            Unavailable: there is none, or jobs cannot run there.
        """
        if self._maker is None or self._view is None:
            raise Unavailable(self._trouble, hint="Try again in a moment.")
        self._view.check()
        return self._maker, self._view

    async def _run(self) -> None:
        """Look at the cluster, and make the difference."""
        while self._view is None or self._maker is None or not self._view.trains:
            try:
                await self._open()
            except DLLabError as exc:
                if self._trouble != exc.message:
                    _LOG.error("The cluster cannot be used: %s", exc)
                await self._cannot(exc.message)
            except Exception:
                _LOG.exception("The cluster cannot be used.")
                await self._cannot("the cluster cannot be used; the lab service's log says why.")
        while True:
            self._wake.clear()
            try:
                await self._step(self._view, self._maker)
            except Exception:
                # Whatever it is, jobs must go on being watched; the log has it with its traceback.
                _LOG.exception("A look at the jobs failed; the next one follows.")
            await asyncio.sleep(_LEAST)
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK if self._jobs.busy else _QUIET):
                    await self._wake.wait()

    async def _open(self) -> None:
        cluster = await asyncio.to_thread(self._settings)
        api = self._api or await self._connect()
        self._api = api
        view = self._view or View(api, cluster, self.wake)
        try:
            await view.start()
        except BaseException:
            await view.close()
            raise
        assert self._keep is not None
        self._jobs.namespace = cluster.namespace
        self._maker = Maker(api, self._jobs, self._keep, view.cluster, self._catalog)
        self._view = view
        self._found.set()
        if not view.trains:  # Somebody may install what is missing.
            await asyncio.sleep(_ANEW)

    async def _cannot(self, why: str) -> None:
        """Say why of all jobs, and wait until it is tried again."""
        self._trouble = why
        jobs: list[TrainingJob] = await self._kept(self._jobs.all)
        await self._kept(self._jobs.tick, {job.id: Seen(trouble=why) for job in jobs})
        await asyncio.sleep(_AGAIN)

    async def _step(self, view: View, maker: Maker) -> None:
        jobs: list[TrainingJob] = await self._kept(self._jobs.all)
        maker.begin(await self._kept(self._jobs.tick, view.seen(jobs)))
        if self._jobs.is_unswept:
            maker.begin(await self._kept(self._jobs.sweep, view.going()))

    async def _kept(self, *args: Any) -> Any:
        assert self._keep is not None
        return await self._keep(*args)
