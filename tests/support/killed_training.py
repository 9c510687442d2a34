"""Trainings of real frameworks on this machine: run through, or killed and resumed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dllab_hub.backends.local import LocalBackend
from dllab_hub.specs import Checkpoint, Code, JobState, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir

__all__ = ("Trainings", "trainings")

OWNER = "ada"


class Trainings:
    """Submits scripts and looks after them.

    Args:
        backend: Where they run.
        folder: Of the scripts.
    """

    def __init__(self, backend: LocalBackend, folder: Path) -> None:
        self.backend = backend
        self._folder = folder

    async def submit(
        self, script: str, *args: object, roles: dict[str, int] | None = None, **more: Any
    ) -> TrainingJob:
        """Submit a script as it lies there.

        Args:
            script: Name of the file.
            args: Of the script.
            roles: Role -> replicas.
            more: Of the spec.
        """
        source = (self._folder / script).read_text()
        spec = TrainingSpec(
            name="training",
            image="here",
            code=Code(source=source, args=tuple(map(str, args))),
            roles=tuple(Role(name=k, replicas=n) for k, n in (roles or {"worker": 1}).items()),
            **more,
        )
        return await self.backend.submit(OWNER, spec)

    async def now(self, job: TrainingJob) -> TrainingJob:
        return await self.backend.get(OWNER, job.id)

    async def until(
        self, job: TrainingJob, reached: Callable[[TrainingJob], bool], seconds: float = 240
    ) -> TrainingJob:
        """The job when that is true of it."""
        give_up = time.monotonic() + seconds
        while not reached(seen := await self.now(job)):
            if seen.state.is_terminal or time.monotonic() > give_up:
                raise AssertionError(f"{seen.state}: {seen.reason}\n{await self.log(seen)}")
            await asyncio.sleep(0.05)
        return seen

    async def saved(self, job: TrainingJob, step: int) -> TrainingJob:
        """The job when it has a whole checkpoint of that step or a later one."""
        return await self.until(job, lambda seen: bool((c := seen.checkpoint) and c.step >= step))

    async def newest(self, job: TrainingJob) -> Checkpoint:
        """Its newest whole checkpoint, by what lies there at this moment."""
        return (await self.backend.checkpoints(OWNER, job.id))[0]

    async def kill(self, job: TrainingJob, replica: str) -> None:
        """kill -9 one process of it, and see that the gang is launched again."""
        seen = await self.now(job)
        pid = next(one.pid for one in seen.replicas if one.name == replica)
        assert pid
        os.kill(pid, signal.SIGKILL)
        await self.until(job, lambda now: now.attempt > seen.attempt)

    async def state(self, job: TrainingJob, state: JobState) -> TrainingJob:
        return await self.until(job, lambda seen: seen.state is state)

    async def finish(self, job: TrainingJob) -> TrainingJob:
        """The job when it has succeeded."""
        return await self.ended(job, JobState.SUCCEEDED)

    async def ended(self, job: TrainingJob, state: JobState) -> TrainingJob:
        """The job when it has ended in that way."""
        give_up = time.monotonic() + 300
        while not (seen := await self.now(job)).state.is_terminal and time.monotonic() < give_up:
            await asyncio.sleep(0.1)
        assert state is seen.state, f"{seen.reason}\n{await self.log(seen)}"
        return seen

    async def log(self, job: TrainingJob, attempt: int | None = None) -> str:
        """All that an attempt wrote."""
        job = await self.now(job)
        if not job.attempt:
            return ""
        return "\n".join(
            [
                (
                    await self.backend.logs(
                        OWNER, job.id, replica=one.name, attempt=attempt, limit=1 << 20
                    )
                ).text
                for one in job.replicas
            ]
        )

    async def said(self, job: TrainingJob, word: str) -> list[str]:
        """What follows a word at the beginning of a line, over all attempts."""
        last = (await self.now(job)).attempt
        logs = [await self.log(job, attempt) for attempt in range(1, last + 1)]
        return [found for log in logs for found in re.findall(rf"^{word} (\S+)$", log, re.M)]

    async def final(self, job: TrainingJob) -> float:
        """The last loss, as the script printed it."""
        [text] = await self.said(job, "FINAL")
        return float(text)


@asynccontextmanager
async def trainings(root: Path, python: str, folder: Path) -> AsyncIterator[Trainings]:
    """A backend whose image is a Python of this machine; nothing is left running."""
    state = StateDir(root, root / "envs")
    backend = LocalBackend(state, here=True, python=python, gpus=lambda: (), cpus=64, grace=20.0)
    await backend.start()
    try:
        yield Trainings(backend, folder)
    finally:
        for job in (await backend.list(OWNER)).jobs:
            if not job.state.is_terminal:
                await backend.cancel(OWNER, job.id)
        give_up = time.monotonic() + 60
        while any(not job.state.is_terminal for job in (await backend.list(OWNER)).jobs):
            assert time.monotonic() < give_up
            await asyncio.sleep(0.1)
        await backend.close()
