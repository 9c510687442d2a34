"""What became of a wish: `TrainingJob`, and the parts it is told in."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from .diagnosis import Diagnosis
from .tag import Tag
from .training import TrainingSpec
from .wire import Value

__all__ = (
    "Checkpoint",
    "Event",
    "JobState",
    "Progress",
    "ReplicaStatus",
    "TrainingJob",
)


class JobState(StrEnum):
    """The life of a job.

    ``PENDING`` until its GPUs are free, then ``RUNNING``. When a replica fails the whole gang is
    relaunched: ``RESTARTING``, then ``RUNNING`` again, at most ``max_restarts`` times. It ends as
    ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``; ``LOST`` says that the process that watched it died
    and how it ended is not known. ``PAUSED`` is a job that somebody stopped to go on later; it
    holds no GPU. What did not succeed can be resumed: it is ``PENDING`` again, and goes on from its
    last checkpoint.
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    RESTARTING = "RESTARTING"
    PAUSED = "PAUSED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    LOST = "LOST"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.LOST)

    @property
    def is_running(self) -> bool:
        """Whether it holds what it asked for: a relaunch keeps it."""
        return self in (JobState.RUNNING, JobState.RESTARTING)

    @property
    def is_resumable(self) -> bool:
        """Whether `resume` has a meaning."""
        return self is JobState.PAUSED or (self.is_terminal and self is not JobState.SUCCEEDED)


class ReplicaStatus(Value):
    """One process of one attempt.

    Attributes:
        process: Number of the process within its replica, or None where each has only one.
        state: ``RUNNING``, ``SUCCEEDED`` or ``FAILED``; ``CANCELLED`` when it was ended because
            another replica failed or the job was cancelled, or paused.
        stopped: Whether it was stopped by a signal such as SIGSTOP: not dead, and not working.
        pid: Process id on this machine while it runs, else None.
        exit_code: What it returned, or None while it runs or when a signal ended it.
        signal: Name of the signal that ended it, such as ``SIGKILL``, else None.
        traceback: Its last Python traceback, or an empty string.
        gpus: UUIDs of its GPUs.
        step: Last step that it reported; None when it did not.
        rate: Steps a second of late.
        straggler: Whether it is clearly slower than the others, by its reported steps.
        cpu: CPUs in use, as last measured.
        memory: Bytes in use, as last measured; with what it has started.
        peak_memory: Most bytes that were measured.
        oom: Whether the kernel killed it, or something it had started, because memory ran out; None
            where nobody was killed, or the kernel does not say.
    """

    role: str
    index: int
    attempt: int
    state: JobState
    pid: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    traceback: str = ""
    gpus: tuple[str, ...] = ()
    started: float | None = None
    ended: float | None = None
    process: int | None = None
    stopped: bool = False
    step: int | None = None
    rate: float | None = None
    straggler: bool = False
    cpu: float | None = None
    memory: int | None = None
    peak_memory: int | None = None
    oom: bool | None = None

    @property
    def name(self) -> str:
        """``worker-0``; ``worker-0.1`` for the second process of a replica that has several."""
        stem = f"{self.role}-{self.index}"
        return stem if self.process is None else f"{stem}.{self.process}"


class Checkpoint(Value):
    """A checkpoint whose files were seen whole.

    Attributes:
        step: Training step it holds.
        path: Where it lies.
        size: Bytes.
        time: When it was finished, seconds since the epoch.
        format: Who wrote it: ``dllab`` (verified against its manifest), or ``torch-distributed``,
            ``huggingface``, ``lightning``, ``tensorflow``, ``keras``, whose files were seen
            complete by the rules of that format.
    """

    step: int
    path: str
    size: int
    time: float
    format: str = "dllab"


class Progress(Value):
    """What the code last reported.

    Attributes:
        step: Steps done.
        total: Steps in all, or None when the code did not say.
        metrics: Last scalar values by name; one that is not finite is left out.
        time: When it was reported, seconds since the epoch.
        rate: Steps a second of late; None before it can be said.
        eta: Seconds that are left at that rate; None without a total or a rate.
        interval: Seconds between two reports as a rule; None before it can be said.
        source: ``report`` (the helper) or ``tensorboard`` (event files).
    """

    step: int
    total: int | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    time: float
    rate: float | None = None
    eta: float | None = None
    interval: float | None = None
    source: Literal["report", "tensorboard"] = "report"


class Event(Value):
    """One thing that happened to a job.

    Attributes:
        time: Seconds since the epoch.
        reason: One CamelCase word, such as ``ReplicaFailed``.
        message: A sentence for people.
    """

    time: float
    reason: str
    message: str


class TrainingJob(Value):
    """A `TrainingSpec` and everything that happened to it.

    Attributes:
        id: ``<name>-<7 characters>``.
        owner: Name of the person.
        reason: One sentence that explains the state; never empty for PENDING, FAILED, LOST.
        attempt: 1 for the first launch; 0 before it. Goes on over pauses.
        replicas: Of the newest attempt.
        checkpoint: Newest whole checkpoint, or None.
        position: Place in the queue, from 1, while PENDING; else None.
        ran: Seconds that it ran in all, pauses left out, up to its last end or pause.
        workspace: Directory the code runs in.
        tensorboard: Directory for TensorBoard's event files.
        diagnosis: Why it failed, or what is wrong with it now; None when nothing is.
        silent_since: While it runs and nobody has said anything for longer than
            ``spec.stall_after``: since when, seconds since the epoch; else None.
        gpu_seconds: GPUs times the seconds it held them, up to its last end or pause.
        tags: As in `Annotation`; those of the wish at first.
        notes: As in `Annotation`.
        favourite: As in `Annotation`.
        files: Whether its directory is still there; its record is in any case.
    """

    id: str
    owner: str
    spec: TrainingSpec
    state: JobState
    reason: str = ""
    attempt: int = 0
    replicas: tuple[ReplicaStatus, ...] = ()
    checkpoint: Checkpoint | None = None
    progress: Progress | None = None
    position: int | None = None
    ran: float = 0.0
    workspace: str = ""
    tensorboard: str = ""
    created: float
    started: float | None = None
    ended: float | None = None
    diagnosis: Diagnosis | None = None
    silent_since: float | None = None
    gpu_seconds: float = 0.0
    tags: tuple[Tag, ...] = Field(default=(), max_length=20)
    notes: str = Field(default="", max_length=20_000)
    favourite: bool = False
    files: bool = True
