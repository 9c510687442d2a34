"""Training: the wish (`TrainingSpec`) and the wish plus what happened (`TrainingJob`)."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .catalog import MAX_GPUS
from .wire import Name, Value

__all__ = (
    "Checkpoint",
    "Code",
    "Event",
    "JobState",
    "MAX_CODE_BYTES",
    "Progress",
    "ReplicaStatus",
    "Role",
    "TrainingJob",
    "TrainingSpec",
)

#: All submitted text together; the workspace snapshot for larger trees is another thing.
MAX_CODE_BYTES = 4 * 1024 * 1024
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_ENV_RESERVED = re.compile(
    r"(DLLAB_|JUPYTERHUB_|LD_|PYTHON(PATH|HOME|STARTUP)|PATH\Z|HOME\Z|CUDA_VISIBLE_DEVICES\Z"
    r"|(RANK|LOCAL_RANK|WORLD_SIZE|LOCAL_WORLD_SIZE|GROUP_RANK|MASTER_ADDR|MASTER_PORT|TF_CONFIG)\Z)"
)


class JobState(StrEnum):
    """The life of a job.

    ``PENDING`` until its GPUs are free, then ``RUNNING``. When a replica fails the whole gang is
    relaunched: ``RESTARTING``, then ``RUNNING`` again, at most ``max_restarts`` times. It ends as
    ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``; ``LOST`` says that the process that watched it died
    and how it ended is not known. ``PAUSED`` is kept for jobs that were stopped to go on later.
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


class Code(Value):
    """What runs: Python source, its arguments and the local modules it imports.

    Attributes:
        source: Text of the script or cell.
        filename: Name it gets in the workspace; shown in tracebacks.
        args: Arguments, given as they are (no shell reads them).
        files: Local modules: relative POSIX path -> text.
    """

    source: str = Field(min_length=1)
    filename: str = "train.py"
    args: tuple[str, ...] = Field(default=(), max_length=256)
    files: dict[str, str] = Field(default_factory=dict, max_length=1000)

    @model_validator(mode="after")
    def _check(self) -> Code:
        for field, path in [("filename", self.filename), *(("files", p) for p in self.files)]:
            parts = PurePosixPath(path).parts
            if (
                not parts
                or len(path) > 255
                or path.startswith("/")
                or ".." in parts
                or any(not c.isprintable() for c in path)
            ):
                raise InvalidRequest("must be a relative path without '..'.", field=field)
        if "\0" in self.source or any("\0" in arg for arg in self.args):
            raise InvalidRequest("must not contain a NUL character.", field="source")
        size = len(self.source) + sum(len(text) for text in self.files.values())
        if size > MAX_CODE_BYTES:
            raise InvalidRequest(
                f"the code is larger than {MAX_CODE_BYTES // 1024 // 1024} MiB.", field="files"
            )
        return self


class Role(Value):
    """One kind of process of a job.

    Attributes:
        name: ``worker``; also ``chief`` and ``ps`` where the strategy has them.
        replicas: How many.
        gpus: Whole GPUs for each replica.
    """

    name: Name = "worker"
    replicas: int = Field(default=1, ge=1, le=1024)
    gpus: int = Field(default=0, ge=0, le=MAX_GPUS)


class TrainingSpec(Value):
    """A wish for a distributed training.

    >>> spec = TrainingSpec(
    ...     name="digits", image="pytorch", code=Code(source="print('hello')"),
    ...     roles=(Role(replicas=2),),
    ... )
    >>> spec.replicas
    2

    Attributes:
        name: Name of the job; its id starts with it.
        image: Name of an image of the catalog.
        strategy: ``allreduce``: equal workers with torchrun's environment.
        code: What every replica runs.
        roles: Who runs it.
        max_restarts: How many times the gang is relaunched after a failure.
        checkpoint_every: Steps between two checkpoints, for code that asks.
        env: Extra environment, literal values only.
        volumes: Names of volumes of the catalog. A directory appears as ``data/<name>`` in the
            workspace; `dllab_hub.runtime.data` opens all of them.
    """

    name: Name
    image: Name
    strategy: Literal["allreduce"] = "allreduce"
    code: Code
    roles: tuple[Role, ...] = Field(default=(Role(),), min_length=1, max_length=1)
    max_restarts: int = Field(default=3, ge=0, le=100)
    checkpoint_every: int = Field(default=100, ge=1)
    env: dict[str, str] = Field(default_factory=dict, max_length=256)
    volumes: tuple[Name, ...] = Field(default=(), max_length=200)

    @model_validator(mode="after")
    def _check(self) -> TrainingSpec:
        if len(set(self.volumes)) != len(self.volumes):
            raise InvalidRequest("a volume is named twice.", field="volumes")
        if self.roles[0].name != "worker":
            raise InvalidRequest("allreduce has the one role 'worker'.", field="roles.0.name")
        for key, value in self.env.items():
            if not _ENV_NAME.fullmatch(key) or "\0" in value:
                raise InvalidRequest("must map variable names to text.", field="env")
            if _ENV_RESERVED.match(key):
                raise InvalidRequest("this variable is set by the lab itself.", field=f"env.{key}")
        return self

    @property
    def replicas(self) -> int:
        """Processes over all roles."""
        return sum(role.replicas for role in self.roles)

    @property
    def gpus(self) -> int:
        """GPUs over all replicas."""
        return sum(role.replicas * role.gpus for role in self.roles)


class ReplicaStatus(Value):
    """One process of one attempt.

    Attributes:
        state: ``RUNNING``, ``SUCCEEDED`` or ``FAILED``; ``CANCELLED`` when it was ended because
            another replica failed or the job was cancelled.
        pid: Process id on this machine while it runs, else None.
        exit_code: What it returned, or None while it runs or when a signal ended it.
        signal: Name of the signal that ended it, such as ``SIGKILL``, else None.
        traceback: Its last Python traceback, or an empty string.
        gpus: UUIDs of its GPUs.
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

    @property
    def name(self) -> str:
        """``worker-0``."""
        return f"{self.role}-{self.index}"


class Checkpoint(Value):
    """A checkpoint whose files were seen whole.

    Attributes:
        step: Training step it holds.
        path: Where it lies.
        size: Bytes.
        time: When it was finished, seconds since the epoch.
    """

    step: int
    path: str
    size: int
    time: float


class Progress(Value):
    """What the code last reported.

    Attributes:
        step: Steps done.
        total: Steps in all, or None when the code did not say.
        metrics: Last scalar values by name.
        time: When it was reported, seconds since the epoch.
    """

    step: int
    total: int | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    time: float


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
        attempt: 1 for the first launch; 0 while PENDING.
        replicas: Of the newest attempt.
        checkpoint: Newest whole checkpoint, or None.
        workspace: Directory the code runs in.
        tensorboard: Directory for TensorBoard's event files.
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
    workspace: str = ""
    tensorboard: str = ""
    created: float
    started: float | None = None
    ended: float | None = None
