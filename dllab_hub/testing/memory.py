"""`MemoryBackend`: a backend without processes, whose jobs do what a test tells them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ..backends.base import Backend
from ..errors import InvalidRequest, NotFound
from ..names import new_id, slug
from ..specs import (
    Capacity,
    Catalog,
    Checkpoint,
    Event,
    Holder,
    Image,
    JobPage,
    JobState,
    LogChunk,
    Progress,
    ReplicaStatus,
    TrainingJob,
    TrainingSpec,
    advice,
    shortage,
)
from .memory_gpus import MemoryGpus
from .memory_serving import MemoryServing

__all__ = ("MemoryBackend",)

_PYTHON = Image(name="here", title="This Python", framework="python", version="3")


@dataclass
class _Record:
    job: TrainingJob
    logs: dict[int, dict[str, bytearray]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    gpus: tuple[str, ...] = ()


class MemoryBackend(Backend):
    """Keeps jobs in memory. A job runs at once when its GPUs are free, and ends when told to.

    ::

        job = await backend.submit("ada", spec)
        backend.write_log(job.id, "worker-0", "hello")
        backend.finish(job.id)

    Attributes:
        serving: Its models and deployments.

    Args:
        catalog: What jobs may name; by default the one image ``here``.
        gpus: UUIDs of the GPUs there are.
        clock: Seconds since the epoch.
    """

    serving: MemoryServing

    def __init__(
        self,
        catalog: Catalog | None = None,
        gpus: Sequence[str] = (),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._offered = catalog or Catalog(images=(_PYTHON,), default_image="here")
        self._gpus = MemoryGpus(gpus)
        self._clock = clock
        self.serving = MemoryServing(clock=clock)
        self._records: dict[str, _Record] = {}

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
        now = self._clock()
        replicas = tuple(
            replica.model_copy(
                update={"state": state, "exit_code": exit_code, "ended": now, "pid": None}
            )
            for replica in record.job.replicas
        )
        record.gpus = ()
        self._change(
            record,
            state,
            reason or f"every replica returned {exit_code}.",
            replicas=replicas,
            ended=now,
        )
        self._launch()
        return record.job

    def restart(self, id: str, reason: str = "worker-0 failed.") -> TrainingJob:
        """A replica failed: the job's next attempt runs, with new logs."""
        record = self._records[id]
        self._change(record, JobState.RESTARTING, reason)
        self._run(record)
        return record.job

    def write_log(self, id: str, replica: str, text: str | bytes) -> None:
        """Append to a replica's log of the running attempt, and to the merged view."""
        record = self._records[id]
        logs = record.logs[record.job.attempt]
        data = text.encode() if isinstance(text, str) else text
        logs[replica].extend(data)
        for line in data.splitlines(keepends=True):
            logs[""].extend(f"[{replica}] ".encode() + line)

    def report(self, id: str, step: int, total: int | None = None, **metrics: float) -> TrainingJob:
        """What the code would have said with ``runtime.report``."""
        record = self._records[id]
        progress = Progress(step=step, total=total, metrics=metrics, time=self._clock())
        record.job = record.job.model_copy(update={"progress": progress})
        return record.job

    def save_checkpoint(self, id: str, step: int, size: int = 1024) -> Checkpoint:
        """A whole checkpoint appears."""
        record = self._records[id]
        path = f"/memory/{id}/checkpoints/step-{step:08d}"
        checkpoint = Checkpoint(step=step, path=path, size=size, time=self._clock())
        record.checkpoints.insert(0, checkpoint)
        record.job = record.job.model_copy(update={"checkpoint": checkpoint})
        return checkpoint

    def hold(self, uuid: str, holder: Holder | None) -> None:
        """Say that a lab or somebody's job holds a GPU; None gives it back."""
        self._gpus.hold(uuid, holder)
        if holder is None:
            self._launch()

    # The backend.

    async def catalog(self) -> Catalog:
        return self._offered

    async def _submit(self, owner: str, spec: TrainingSpec) -> TrainingJob:
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
        )
        record = self._records[id] = _Record(job)
        self._say(record, "Submitted", f"{spec.replicas} replicas of {spec.image}.")
        self._launch()
        return record.job

    async def _get(self, owner: str, id: str) -> TrainingJob:
        return self._record(owner, id).job

    async def _list(
        self, owner: str, states: frozenset[JobState], limit: int, after: str | None
    ) -> JobPage:
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
        found = list(islice((j for j in mine if not states or j.state in states), limit + 1))
        jobs = tuple(found[:limit])
        return JobPage(jobs=jobs, next=jobs[-1].id if len(found) > limit else None)

    async def _cancel(self, owner: str, id: str) -> TrainingJob:
        self._record(owner, id)
        return self.finish(id, JobState.CANCELLED, f"cancelled by {owner}.", exit_code=143)

    async def _logs(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int, limit: int
    ) -> LogChunk:
        record = self._record(owner, id)
        newest = max(record.job.attempt, 1)
        number = attempt or newest
        if number > newest:
            raise NotFound(f"the job has {newest} attempts.", field="attempt")
        names = [f"{role.name}-{i}" for role in record.job.spec.roles for i in range(role.replicas)]
        if replica is not None and replica not in names:
            raise NotFound(f"the replicas are {', '.join(names)}.", field="replica")
        log = record.logs.get(number, {}).get(replica or "", bytearray())
        start = max(len(log) + offset, 0) if offset < 0 else min(offset, len(log))
        return LogChunk.cut(
            bytes(log[start : start + max(limit, 4)]),
            replica=replica or "",
            attempt=number,
            offset=start,
            size=len(log),
            over=record.job.state.is_terminal or number < newest,
            tail=offset < 0,
        )

    async def _events(self, owner: str, id: str) -> tuple[Event, ...]:
        return tuple(self._record(owner, id).events)

    async def _checkpoints(self, owner: str, id: str) -> tuple[Checkpoint, ...]:
        return tuple(self._record(owner, id).checkpoints)

    async def _capacity(self, owner: str, gpus: int | None) -> Capacity:
        return Capacity.of(owner, len(self._gpus.uuids), self._holders().values(), gpus)

    async def _lend(self, owner: str, lab: str, lend: bool) -> None:
        self._gpus.lend(owner, lab, lend)
        self._launch()

    # Inside.

    def _record(self, owner: str, id: str) -> _Record:
        record = self._records.get(id)
        if record is None or record.job.owner != owner:
            raise NotFound("there is no such job.")
        return record

    def _holders(self) -> dict[str, Holder]:
        jobs = {
            uuid: Holder(kind="job", owner=r.job.owner, name=r.job.spec.name, id=r.job.id)
            for r in self._records.values()
            for uuid in r.gpus
        }
        return self._gpus.holders(jobs)

    def _launch(self) -> None:
        for record in self._records.values():
            if record.job.state is not JobState.PENDING:
                continue
            wish = record.job.spec.gpus
            held, owner = self._holders(), record.job.owner
            free = self._gpus.usable(owner, held)
            if wish <= len(free):
                record.gpus = tuple(free[:wish])
                self._run(record)
            else:
                total = len(self._gpus.uuids)
                why = shortage(owner, total, held.values())
                gpus = f"{wish} GPU{'s' if wish > 1 else ''}"
                reason = f"waiting for {gpus}: {why}. {advice(owner, total, held.values(), wish)}"
                record.job = record.job.model_copy(update={"reason": reason.strip()})

    def _run(self, record: _Record) -> None:
        job, now = record.job, self._clock()
        attempt = job.attempt + 1
        mine = iter(record.gpus)
        replicas = tuple(
            ReplicaStatus(
                role=role.name,
                index=index,
                attempt=attempt,
                state=JobState.RUNNING,
                gpus=tuple(islice(mine, role.gpus)),
                started=now,
            )
            for role in job.spec.roles
            for index in range(role.replicas)
        )
        record.logs[attempt] = {name: bytearray() for name in ["", *(r.name for r in replicas)]}
        self._change(
            record,
            JobState.RUNNING,
            "",
            attempt=attempt,
            replicas=replicas,
            started=job.started or now,
        )

    def _change(self, record: _Record, state: JobState, reason: str, **more: object) -> None:
        record.job = record.job.model_copy(update={"state": state, "reason": reason, **more})
        self._say(record, state.value.capitalize(), reason or f"attempt {record.job.attempt} runs.")

    def _say(self, record: _Record, reason: str, message: str) -> None:
        record.events.append(Event(time=self._clock(), reason=reason, message=message))
