"""`GpuLog`: what the GPUs of jobs do, written down while they run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from ....specs import Gpu, GpuReport, GpuState, TrainingJob
from .usage import GPU_LOG

__all__ = ("GpuLog",)

_LOG = logging.getLogger(__name__)
#: Seconds between two samples of a job, and of one that runs for longer than a day.
_EVERY, _EVERY_LATER, _DAY = 15.0, 60.0, 86400.0
#: Seconds between two looks at whether a job is due.
_LOOK = 2.5


class GpuLog:
    """Asks for the GPUs while a job with GPUs runs, and not otherwise.

    Args:
        report: What the GPUs do now; to ask for it does not count as watching them.
        jobs: Those that run, as last seen.
        folder: A job's directory, by its id.
    """

    def __init__(
        self,
        report: Callable[[], Awaitable[GpuReport]],
        jobs: Callable[[], Iterable[TrainingJob]],
        folder: Callable[[str], Path],
    ) -> None:
        self._report = report
        self._jobs = jobs
        self._folder = folder
        self._due: dict[str, float] = {}
        self._failed: set[str] = set()

    async def run(self) -> None:
        """Write samples until this is cancelled."""
        while True:
            now = time.monotonic()
            jobs = [job for job in self._jobs() if any(one.gpus for one in job.replicas)]
            due = [job for job in jobs if self._due.get(job.id, 0.0) <= now]
            self._due = {job.id: self._due.get(job.id, 0.0) for job in jobs}
            if due:
                try:
                    await self._sample(due)
                except Exception:
                    # Whatever a driver does, the next sample may come again.
                    _LOG.exception("The GPUs of jobs could not be measured.")
                for job in due:
                    old = time.time() - (job.started or time.time()) > _DAY
                    self._due[job.id] = now + (_EVERY_LATER if old else _EVERY)
            await asyncio.sleep(_LOOK)

    async def _sample(self, jobs: Iterable[TrainingJob]) -> None:
        report = await self._report()
        if report.state is not GpuState.OK:
            return
        gpus = {gpu.uuid: gpu for gpu in report.gpus if not gpu.error}
        for job in jobs:
            if line := _line(job, report.time, gpus):
                await asyncio.to_thread(self._write, job.id, line)

    def _write(self, id: str, line: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(self._folder(id) / GPU_LOG, flags, 0o600)
            try:
                os.write(fd, line.encode())
            finally:
                os.close(fd)
        except OSError as exc:  # The disk is full, or its directory is gone.
            if id not in self._failed:
                self._failed.add(id)
                _LOG.warning("%s: what its GPUs do is not written down: %s", id, exc)


def _line(job: TrainingJob, when: float, gpus: dict[str, Gpu]) -> str:
    found = {}
    for one in job.replicas:
        for uuid in one.gpus:
            if gpu := gpus.get(uuid):
                found[uuid] = {
                    "utilization": gpu.utilization,
                    "memory": gpu.memory_used,
                    "replica": f"{one.role}-{one.index}",
                }
    return json.dumps({"time": when, "gpus": found}) + "\n" if found else ""
