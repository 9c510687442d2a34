"""`Record`: one job of a `MemoryBackend`, with its logs, events and checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from ..backends.order import Ticket
from ..backends.replicas import replica_names
from ..errors import NotFound
from ..specs import (
    Checkpoint,
    Curve,
    Event,
    Holder,
    JobState,
    LogChunk,
    Progress,
    ReplicaStatus,
    TrainingJob,
)

__all__ = ("Record",)


@dataclass
class Record:
    """A job and everything that a test made happen to it.

    Attributes:
        job: As it is now.
        since: From when it waits, or waited, for its turn.
        gpus: UUIDs that it holds.
    """

    job: TrainingJob
    since: float
    gpus: tuple[str, ...] = ()
    logs: dict[int, dict[str, bytearray]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        """Whether it holds what it asked for."""
        return self.job.state.is_running

    @property
    def holder(self) -> Holder:
        """As who it holds GPUs."""
        job = self.job
        return Holder(kind="job", owner=job.owner, name=job.spec.name, id=job.id)

    @property
    def ticket(self) -> Ticket:
        """Its place in the line."""
        return Ticket(self.job.id, self.job.owner, self.since, self.job.spec.priority)

    def refuse(self, reason: str, place: int) -> None:
        """It has to wait."""
        self.job = self.job.model_copy(update={"reason": reason, "position": place})

    @property
    def _is_over(self) -> bool:
        return self.job.state.is_terminal or self.job.state is JobState.PAUSED

    def run(self, now: float) -> None:
        """Start the next attempt, with new logs."""
        attempt = self.job.attempt + 1
        mine = iter(self.gpus)
        spec = self.job.spec
        replicas = []
        for role in spec.roles:
            count = spec.processes_of(role)
            for index in range(role.replicas):
                gpus = tuple(islice(mine, role.gpus))
                replicas += [
                    ReplicaStatus(
                        role=role.name,
                        index=index,
                        attempt=attempt,
                        state=JobState.RUNNING,
                        gpus=gpus,
                        started=now,
                        process=process if count > 1 else None,
                    )
                    for process in range(count)
                ]
        self.logs[attempt] = {name: bytearray() for name in ["", *(r.name for r in replicas)]}
        started = self.job.started or now
        self.change(
            now,
            JobState.RUNNING,
            "",
            attempt=attempt,
            replicas=tuple(replicas),
            started=started,
            position=None,
        )

    def end(self, now: float, state: JobState, reason: str, exit_code: int) -> None:
        """It stops, for good or as PAUSED, and gives its GPUs back."""
        over = JobState.CANCELLED if state is JobState.PAUSED else state
        update = {"state": over, "exit_code": exit_code, "ended": now, "pid": None}
        replicas = tuple(replica.model_copy(update=update) for replica in self.job.replicas)
        ran = self.job.ran
        if self.runs and self.job.started is not None:
            ran += now - self.job.started
        self.gpus = ()
        self.change(now, state, reason, replicas=replicas, ended=now, ran=ran, position=None)

    def wait(self, now: float, reason: str) -> None:
        """It is to go on: it waits for its turn."""
        self.since = now
        self.change(now, JobState.PENDING, reason, started=None, ended=None, replicas=())

    def change(self, now: float, state: JobState, reason: str, **more: object) -> None:
        """Its state is another."""
        self.job = self.job.model_copy(update={"state": state, "reason": reason, **more})
        what = reason or f"attempt {self.job.attempt} runs."
        self.say(now, state.value.capitalize(), what)

    def say(self, now: float, reason: str, message: str) -> None:
        """An event."""
        self.events.append(Event(time=now, reason=reason, message=message))

    def write_log(self, replica: str, data: bytes) -> None:
        """Append to a replica's log of this attempt, and to the merged view."""
        logs = self.logs[self.job.attempt]
        logs[replica].extend(data)
        for line in data.splitlines(keepends=True):
            logs[""].extend(f"[{replica}] ".encode() + line)

    def report(self, progress: Progress) -> None:
        """What the code would have said."""
        self.job = self.job.model_copy(update={"progress": progress})

    def save(self, checkpoint: Checkpoint) -> None:
        """A whole checkpoint appears."""
        self.checkpoints.insert(0, checkpoint)
        self.job = self.job.model_copy(update={"checkpoint": checkpoint})

    def read_log(
        self, replica: str | None, attempt: int | None, offset: int, limit: int
    ) -> LogChunk:
        """As `Backend.logs`.

        Raises:
            NotFound: the job has no such replica or attempt.
        """
        newest = max(self.job.attempt, 1)
        number = attempt or newest
        if number > newest:
            raise NotFound(f"the job has {newest} attempts.", field="attempt")
        names = replica_names(self.job.spec)
        if replica is not None and replica not in names:
            raise NotFound(f"the replicas are {', '.join(names)}.", field="replica")
        log = self.logs.get(number, {}).get(replica or "", bytearray())
        start = max(len(log) + offset, 0) if offset < 0 else min(offset, len(log))
        return LogChunk.cut(
            bytes(log[start : start + max(limit, 4)]),
            replica=replica or "",
            attempt=number,
            offset=start,
            size=len(log),
            over=self._is_over or number < newest,
            tail=offset < 0,
        )
