"""`MemoryBackend`: a backend without processes, whose jobs do what a test tells them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from ..backends.base import Backend
from ..backends.filtering import is_wanted
from ..backends.order import line
from ..backends.pausing import next_start, pause_reason, time_left
from ..backends.quota import check_quota
from ..backends.room import Room, cpu_wish
from ..backends.source import check_preflight
from ..errors import InvalidRequest, NotFound
from ..names import new_id, slug
from ..specs import (
    NO_LIMITS,
    Capacity,
    Catalog,
    Checkpoint,
    Curve,
    Event,
    Finding,
    Holder,
    Image,
    JobFilter,
    JobLimits,
    JobPage,
    JobState,
    LogChunk,
    Preflight,
    Progress,
    TrainingJob,
    TrainingSpec,
)
from .memory_gpus import MemoryGpus
from .memory_history import MemoryHistory, MemoryNotices
from .memory_insight import MemoryInsight
from .memory_record import Record
from .memory_serving import MemoryServing
from .memory_workspaces import MemoryWorkspaces

__all__ = ("MemoryBackend",)

_PYTHON = Image(name="here", title="This Python", framework="python", version="3")


class MemoryBackend(Backend):
    """Keeps jobs in memory. A job runs at once when its GPUs are free, and ends when told to.

    ::

        job = await backend.submit("ada", spec)
        backend.write_log(job.id, "worker-0", "hello")
        backend.finish(job.id)

    Attributes:
        serving: Its models and deployments.
        history: What is kept of its jobs.
        insight: What can be known of them.
        notices: What people want to be told.
        workspaces: Files that travel with its jobs.
        findings: What a preflight finds; set it. An error refuses a submit.

    Args:
        catalog: What jobs may name; by default the one image ``here``.
        gpus: UUIDs of the GPUs there are.
        cpus: How many CPUs the jobs that run may count for together.
        clock: Seconds since the epoch.
    """

    serving: MemoryServing
    workspaces: MemoryWorkspaces
    history: MemoryHistory
    insight: MemoryInsight
    notices: MemoryNotices

    def __init__(
        self,
        catalog: Catalog | None = None,
        gpus: Sequence[str] = (),
        *,
        cpus: float = math.inf,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cpus = cpus
        self._offered = catalog or Catalog(images=(_PYTHON,), default_image="here")
        self._gpus = MemoryGpus(gpus)
        self._clock = clock
        self.serving = MemoryServing(clock=clock)
        self.workspaces = MemoryWorkspaces()
        self.findings: tuple[Finding, ...] = ()
        self._records: dict[str, Record] = {}
        self.history = MemoryHistory(self, self._records)
        self.insight = MemoryInsight(self, self._records)
        self.notices = MemoryNotices()

    # What a test does to jobs.

    def finish(
        self, id: str, state: JobState = JobState.SUCCEEDED, reason: str = "", exit_code: int = 0
    ) -> TrainingJob:
        """End a job; waiting jobs take its GPUs.

        Args:
            id: Of the job.
            state: A terminal one.
            reason: The sentence people read; made up when empty.
            exit_code: What every replica returned.
        """
        if not state.is_terminal:
            raise InvalidRequest("must be a state in which a job has ended.", field="state")
        record = self._records[id]
        record.end(
            self._clock(), state, reason or f"every replica returned {exit_code}.", exit_code
        )
        self._launch()
        return record.job

    def restart(self, id: str, reason: str = "worker-0 failed.") -> TrainingJob:
        """A replica failed: the job's next attempt runs, with new logs."""
        record = self._records[id]
        record.change(self._clock(), JobState.RESTARTING, reason)
        record.run(self._clock())
        return record.job

    def write_log(self, id: str, replica: str, text: str | bytes) -> None:
        """Append to a replica's log of the running attempt, and to the merged view."""
        self._records[id].write_log(replica, text.encode() if isinstance(text, str) else text)

    def report(self, id: str, step: int, total: int | None = None, **metrics: float) -> TrainingJob:
        """What the code would have said with ``runtime.report``."""
        record = self._records[id]
        record.report(Progress(step=step, total=total, metrics=metrics, time=self._clock()))
        return record.job

    def draw(self, id: str, curve: Curve) -> None:
        """A curve of the job, whoever measured it."""
        self._records[id].curves.append(curve)

    def save_checkpoint(self, id: str, step: int, size: int = 1024) -> Checkpoint:
        """A whole checkpoint appears."""
        path = f"/memory/{id}/checkpoints/step-{step:08d}"
        checkpoint = Checkpoint(step=step, path=path, size=size, time=self._clock())
        self._records[id].save(checkpoint)
        return checkpoint

    def hold(self, uuid: str, holder: Holder | None) -> None:
        """Say that a lab or somebody's job holds a GPU; None gives it back."""
        self._gpus.hold(uuid, holder)
        if holder is None:
            self._launch()

    # The backend.

    async def catalog(self) -> Catalog:
        return self._offered

    async def live(self) -> tuple[TrainingJob, ...]:
        jobs = (record.job for record in self._records.values())
        return tuple(job for job in jobs if job.state is JobState.PENDING or job.state.is_running)

    async def _submit(
        self, owner: str, spec: TrainingSpec, limits: JobLimits = NO_LIMITS
    ) -> TrainingJob:
        check_preflight(await self._preflight(owner, spec, False), spec)
        first = None
        if spec.checkpoint_from is not None:
            first = self._record(owner, spec.checkpoint_from).job.checkpoint
            if first is None:
                raise InvalidRequest("that job has no whole checkpoint.", field="checkpoint_from")
        # From here on nothing is waited for: no other job comes in between.
        check_quota(spec, self._jobs_of(owner), limits)
        id = new_id(spec.name)
        job = TrainingJob(
            id=id,
            owner=owner,
            spec=spec,
            state=JobState.PENDING,
            reason="starting.",
            workspace=f"/memory/{id}/workspace",
            tensorboard=f"/memory/tensorboard/{slug(owner)}/{id}",
            created=self._clock(),
            tags=spec.tags,
        )
        record = self._records[id] = Record(job, since=job.created)
        record.say(job.created, "Submitted", f"{spec.replicas} replicas of {spec.image}.")
        if first is not None:
            path = first.path.replace(spec.checkpoint_from or "", id)
            record.save(first.model_copy(update={"path": path}))
        self._launch()
        return record.job

    async def _get(self, owner: str, id: str) -> TrainingJob:
        return self._record(owner, id).job

    async def _list(self, owner: str, where: JobFilter, limit: int, after: str | None) -> JobPage:
        mine: Iterable[TrainingJob] = (
            r.job for r in reversed(self._records.values()) if r.job.owner == owner
        )
        if after is not None:
            seen = self._records.get(after)
            if seen is None or seen.job.owner != owner:
                raise InvalidRequest("is not a page of this list.", field="next")
            mine = iter(mine)
            for job in mine:
                if job.id == after:
                    break
        found = list(islice((job for job in mine if is_wanted(job, where)), limit + 1))
        jobs = tuple(found[:limit])
        return JobPage(jobs=jobs, next=jobs[-1].id if len(found) > limit else None)

    async def _cancel(self, owner: str, id: str) -> TrainingJob:
        self._record(owner, id)
        return self.finish(id, JobState.CANCELLED, f"cancelled by {owner}.", exit_code=143)

    async def _pause(self, owner: str, id: str) -> TrainingJob:
        record = self._record(owner, id)
        job = record.job
        reason = f"paused by {owner} {'while it waited' if job.attempt else 'before it started'}."
        if record.runs:
            reason = pause_reason(owner, job.progress, job.checkpoint)
        record.end(self._clock(), JobState.PAUSED, reason, exit_code=143)
        self._launch()
        return record.job

    async def _resume(self, owner: str, id: str, limits: JobLimits = NO_LIMITS) -> TrainingJob:
        record = self._record(owner, id)
        if not record.job.state.is_resumable:
            return record.job
        time_left(record.job.spec, record.job.ran)
        check_quota(record.job.spec, self._jobs_of(owner), limits)
        now = self._clock()
        start = next_start(record.job.attempt + 1, record.job.checkpoint)
        record.say(now, "Resumed", f"{owner} resumed it. {start}")
        record.wait(now, "resuming.")
        self._launch()
        return record.job

    async def _preflight(self, owner: str, spec: TrainingSpec, deep: bool) -> Preflight:
        if spec.workspace is not None:
            await self.workspaces.check(owner, spec.workspace)
        findings = sorted(self.findings, key=lambda finding: finding.severity != "error")
        return Preflight(findings=tuple(findings), seconds=0.0)

    async def _logs(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int, limit: int
    ) -> LogChunk:
        return self._record(owner, id).read_log(replica, attempt, offset, limit)

    async def _events(self, owner: str, id: str) -> tuple[Event, ...]:
        return tuple(self._record(owner, id).events)

    async def _checkpoints(self, owner: str, id: str) -> tuple[Checkpoint, ...]:
        return tuple(self._record(owner, id).checkpoints)

    async def _capacity(self, owner: str, gpus: int | None, target: str | None) -> Capacity:
        return Capacity.of(owner, len(self._gpus.uuids), self._holders().values(), gpus)

    async def _lend(self, owner: str, lab: str, lend: bool) -> None:
        self._gpus.lend(owner, lab, lend)
        self._launch()

    # Inside.

    def _record(self, owner: str, id: str) -> Record:
        record = self._records.get(id)
        if record is None or record.job.owner != owner:
            raise NotFound("there is no such job.")
        return record

    def _jobs_of(self, owner: str) -> list[TrainingJob]:
        return [r.job for r in self._records.values() if r.job.owner == owner]

    def _holders(self) -> dict[str, Holder]:
        return self._gpus.holders({u: r.holder for r in self._records.values() for u in r.gpus})

    def _launch(self) -> None:
        """Start what fits, in the order of the line; tell the others their place and why."""
        now = self._clock()
        waiting = line(r.ticket for r in self._records.values() if r.job.state is JobState.PENDING)
        room = Room(len(self._gpus.uuids), (), self.cpus, ())
        place = 0
        for ticket in waiting:
            record = self._records[ticket.id]
            held = self._holders()
            room.held = held.values()
            runs = [r for r in self._records.values() if r.runs]
            room.busy = [(r.holder, cpu_wish(r.job.spec, self.cpus)) for r in runs]
            if reason := room.refusal(record.job, now - record.since):
                place += 1
                record.refuse(reason, place)
            else:
                free = self._gpus.usable(record.job.owner, held)
                record.gpus = tuple(free[: record.job.spec.gpus])
                record.run(now)
