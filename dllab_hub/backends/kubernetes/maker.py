"""`Maker`: makes and removes JobSets on a cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...errors import DLLabError, InvalidRequest
from ...manifests.cluster import Cluster
from ...manifests.gang import set_name
from ...manifests.training import jobset
from ...specs import Catalog, TrainingJob
from ..local.line import Keep
from .api import Api
from .jobs import ClusterJobs
from .kinds import JOBSETS
from .refusing import refused
from .trouble import Refused
from .wishes import Wish

__all__ = ("Maker",)

_LOG = logging.getLogger(__name__)
#: Objects that are made or removed at a time.
_AT_ONCE = 16


class Maker:
    """One thing at a time for each job. What fails is wished for again after the next look.

    Args:
        api: Of the cluster.
        jobs: Hears what has become of them, on the thread of decisions.
        keep: Runs a function there.
        cluster: The administrator's settings; as long as this process is there they stay.
        catalog: As it is now. Blocks.
    """

    def __init__(
        self,
        api: Api,
        jobs: ClusterJobs,
        keep: Keep,
        cluster: Cluster,
        catalog: Callable[[], Catalog],
    ) -> None:
        self._api, self._jobs, self._keep = api, jobs, keep
        self._cluster, self._catalog = cluster, catalog
        self._doing: dict[str, asyncio.Task[None]] = {}
        self._few = asyncio.Semaphore(_AT_ONCE)

    def begin(self, wishes: Iterable[Wish]) -> None:
        """Begin with what is wished for, but for jobs about which something is being done."""
        for wish in wishes:
            if wish.id not in self._doing:
                task = asyncio.create_task(self._do(wish), name=f"dllab-{wish.id}")
                self._doing[wish.id] = task
                task.add_done_callback(partial(self._done, wish.id))

    async def wait(self, id: str, seconds: float) -> None:
        """Until nothing is being done about a job, so long at most."""
        if id in self._doing:
            await asyncio.wait({self._doing[id]}, timeout=seconds)

    async def close(self) -> None:
        """Leave what is being done; the next service finds what has become of it."""
        tasks = list(self._doing.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def try_out(self, job: TrainingJob) -> None:
        """Have the cluster look at the JobSet of a job, which is not made.

        Raises:
            InvalidRequest: it refuses it, or nothing can be made of the wish.
            DLLabError: it cannot be asked.
        """
        body = await asyncio.to_thread(self.manifest, job, 1)
        space, name = self._cluster.namespace, set_name(job.id)
        try:
            await self._api.apply(JOBSETS, space, name, body, dry_run=True)
        except Refused as exc:
            if exc.unwelcome:  # It is not about this job.
                raise
            raise refused(exc) from exc

    def _done(self, id: str, _: asyncio.Task[None]) -> None:
        self._doing.pop(id, None)

    async def _do(self, wish: Wish) -> None:
        try:
            async with self._few:
                await (self._make(wish) if wish.make else self._remove(wish))
        except DLLabError as exc:
            _LOG.warning("%s: the cluster did not do as it was told: %s", wish.id, exc)
            await self._keep(self._jobs.could_not, wish.id, exc.message)
        except Exception:
            _LOG.exception("%s: the cluster was not told.", wish.id)

    async def _make(self, wish: Wish) -> None:
        job: TrainingJob | None = await self._keep(self._jobs.find, wish.id)
        if job is None:
            return
        try:
            body = await asyncio.to_thread(self.manifest, job, wish.first_attempt)
            await self._api.apply(JOBSETS, self._cluster.namespace, set_name(job.id), body)
        except (Refused, InvalidRequest) as exc:
            if isinstance(exc, Refused) and exc.unwelcome:
                raise
            why = refused(exc) if isinstance(exc, Refused) else exc
            await self._keep(self._jobs.refused, wish.id, str(why))
        else:
            await self._keep(self._jobs.was_made, job.id)

    async def _remove(self, wish: Wish) -> None:
        space, name = self._cluster.namespace, set_name(wish.id)
        if not await self._api.delete(JOBSETS, space, name, uid=wish.uid):
            await self._keep(self._jobs.is_not_there, wish.id)

    def manifest(self, job: TrainingJob, first_attempt: int) -> dict[str, Any]:
        """The JobSet of a launch. Blocks.

        Raises:
            InvalidRequest: nothing can be made of the wish (any more).
        """
        cluster, catalog = self._cluster, self._catalog()
        return jobset(job.id, job.owner, job.spec, catalog, cluster, first_attempt=first_attempt)
