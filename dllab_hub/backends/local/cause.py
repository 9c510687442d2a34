"""What is wrong with a job of this machine: its own files read for a `Diagnosis`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from ...diagnosis import first_failed, of_job, silence, stalled
from ...errors import InvalidRequest
from ...shim.memory import memory_limit
from ...specs import Diagnosis, JobState, Stack, TrainingJob
from .jobdir import JobDir
from .rundir import RunDir, Unreadable

__all__ = ("explained", "keep_stacks", "was_looked_at")

#: Where it is kept what was found when a job fell silent; the service's own file.
_STALL = "stall.json"
#: Bytes of the end of a log that are read.
_TAIL = 8192
_LONGEST_SOURCE = 1024 * 1024


def explained(find: Callable[[str], JobDir], job: TrainingJob) -> TrainingJob:
    """The job with what is wrong with it, or with nothing. Reads a log when it has just failed.

    Args:
        find: Of a job's directory by its id.
        job: As it was just seen.
    """
    found: Diagnosis | None = None
    if job.state in (JobState.FAILED, JobState.LOST, JobState.RESTARTING):
        before = job.diagnosis
        if job.state is JobState.RESTARTING and before and before.attempt == job.attempt:
            return job  # It was read at the look before.
        found = of_job(job, log=_last_lines(find(job.id).run, job), memory=memory_limit())
    elif job.state is JobState.RUNNING and job.silent_since is not None:
        found = _kept(find(job.id), job) or stalled(job, time.time())
    return job.model_copy(update={"diagnosis": found}) if found or job.diagnosis else job


def keep_stacks(folder: JobDir, job: TrainingJob, stacks: Sequence[Stack]) -> Diagnosis:
    """Keep where a job's replicas are that has fallen silent, and tell it as an event.

    Args:
        folder: Of the job.
        job: Which has `TrainingJob.silent_since`.
        stacks: Of its replicas.

    Raises:
        OSError: it could not be written.
    """
    now = time.time()
    found = stalled(job, now, stacks, _source(folder.run, stacks))
    about = {"since": job.silent_since, "begins": silence(job, now), "diagnosis": found.to_wire()}
    folder.note(_STALL, about)
    folder.say("Stacks", found.message)
    return found


def was_looked_at(folder: JobDir, job: TrainingJob) -> bool:
    """Whether the stacks of this silence are kept already."""
    noted = folder.noted(_STALL)
    return noted is not None and noted.get("since") == job.silent_since


def _kept(folder: JobDir, job: TrainingJob) -> Diagnosis | None:
    noted = folder.noted(_STALL)
    if noted is None or noted.get("since") != job.silent_since:
        return None
    try:
        found = Diagnosis.from_wire(noted.get("diagnosis"))
    except InvalidRequest:  # Of another version of this program.
        return None
    # It is silent for longer now.
    rest = found.message.removeprefix(str(noted.get("begins")))
    return found.model_copy(update={"message": f"{silence(job, time.time())}{rest}"})


def _last_lines(run: RunDir, job: TrainingJob) -> list[str]:
    first = first_failed(job)
    name = f"{first.name if first else 'all'}.log"
    try:
        with run.opened("attempts", str(max(job.attempt, 1)), name) as (fd, size):
            data = os.pread(fd, _TAIL, max(size - _TAIL, 0))
    except Unreadable:
        return []
    lines = data.decode("utf-8", "replace").split("\n")
    return lines[1:] if size > _TAIL else lines


def _source(run: RunDir, stacks: Sequence[Stack]) -> dict[tuple[str, int], str]:
    """The lines of the job's own code that its replicas are in."""
    wanted: dict[str, set[int]] = {}
    for stack in stacks:
        for frame in stack.frames:
            if frame.file and not frame.file.startswith(("/", "<")):
                wanted.setdefault(frame.file, set()).add(frame.line)
    found: dict[tuple[str, int], str] = {}
    for file, numbers in wanted.items():
        parts = file.split("/")
        if ".." in parts:
            continue
        try:
            text = run.read("workspace", *parts, limit=_LONGEST_SOURCE).decode("utf-8", "replace")
        except Unreadable:
            continue
        lines = text.split("\n")
        found |= {(file, n): lines[n - 1] for n in numbers if 0 < n <= len(lines)}
    return found
