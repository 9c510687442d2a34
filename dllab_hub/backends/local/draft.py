"""`Draft`: a job that is not accepted yet: its directory is there, and can be looked through."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from ...names import new_id
from ...specs import JobState, Preflight, TrainingJob, TrainingSpec
from ...state import StateDir
from .account import Account, account_of
from .carried import Carried
from .jobdir import JobDir
from .launch import Launcher
from .preflight import run_preflight

__all__ = ("Draft", "drafted", "to_the_end")

_T = TypeVar("_T")


@dataclass(frozen=True)
class Draft:
    """What a person wishes, written down where only the service and the account can see it.

    Attributes:
        job: As it will be when it is accepted.
        folder: Its directory, which has not appeared.
    """

    job: TrainingJob
    folder: JobDir

    async def preflight(self, launcher: Launcher, *, deep: bool) -> Preflight:
        """What would make it fail at once, as its account finds it; no GPU is visible then.

        Args:
            launcher: Knows images and volumes.
            deep: Import for real what the code imports.

        Raises:
            DLLabError: the image, the lab or a volume is not there.
        """
        run = self.folder.draft.run.path
        plan = await asyncio.to_thread(launcher.plan, self.job, run, Carried(self.job.created))
        return await run_preflight(plan, self.folder.account, deep=deep)


@asynccontextmanager
async def drafted(
    state: StateDir,
    prepare: Callable[[TrainingJob, JobDir], TrainingJob],
    owner: str,
    spec: TrainingSpec,
    *,
    os_users: bool = False,
    account: Account | None = None,
) -> AsyncIterator[Draft]:
    """A draft, which is gone afterwards unless it has become a job.

    Args:
        state: Where things lie.
        prepare: Writes it.
        owner: Person.
        spec: The wish.
        os_users: Every job runs as its owner's account.
        account: Whose the files are that the job may change; None: as ``os_users`` says.

    Raises:
        AccessDenied: in OS-user mode, the owner has no account.
        InvalidRequest: a file cannot have its name, or what it is to begin with is not there.
        StorageFull: there is no room; nothing was left behind.
    """
    if account is None:
        account = await asyncio.to_thread(account_of, owner, os_users)
    job = TrainingJob(
        id=new_id(spec.name),
        owner=owner,
        spec=spec,
        state=JobState.PENDING,
        reason="starting.",
        created=time.time(),
        tags=spec.tags,
    )
    folder = JobDir(state.jobs / job.id, account)
    try:
        # Many files are many fsyncs: others are being answered meanwhile.
        job = await to_the_end(asyncio.to_thread(prepare, job, folder))
        yield Draft(job, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder.draft.path, ignore_errors=True)


async def to_the_end(doing: Awaitable[_T]) -> _T:
    """What a thread does, which nothing stops: who goes away meanwhile goes when it is done."""
    task = asyncio.ensure_future(doing)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait({task})
