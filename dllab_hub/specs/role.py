"""One kind of process of a job: `Role`."""

from __future__ import annotations

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .catalog import MAX_GPUS
from .wire import Name, Value

__all__ = ("MAX_PROCESSES", "Role")

#: Of one replica.
MAX_PROCESSES = 64


class Role(Value):
    """One kind of process of a job.

    Attributes:
        name: ``worker``; also ``chief`` and ``ps`` under ``ps``; any names under ``custom``.
        replicas: How many.
        gpus: Whole GPUs for each replica.
        processes: Processes of each replica. None: as many as it has GPUs under ``allreduce``, else
            one.
        cpus: CPUs for each replica, which the queue counts and thread pools are sized by. None:
            nothing is promised, and the queue counts one for each process.
        memory: Bytes of memory that each replica may use; who uses more is ended and named. None:
            no limit.
        command: Under ``custom``: what this role runs instead of the job's code, the program first;
            no shell reads it.
    """

    name: Name = "worker"
    replicas: int = Field(default=1, ge=1, le=1024)
    gpus: int = Field(default=0, ge=0, le=MAX_GPUS)
    processes: int | None = Field(default=None, ge=1, le=MAX_PROCESSES)
    cpus: float | None = Field(default=None, gt=0, le=1024)
    memory: int | None = Field(default=None, ge=1024 * 1024, le=2**50)
    command: tuple[str, ...] = Field(default=(), max_length=256)

    @model_validator(mode="after")
    def _check(self) -> Role:
        if any("\0" in word for word in self.command):
            raise InvalidRequest("must not contain a NUL character.", field="command")
        if self.command and not self.command[0]:
            raise InvalidRequest("a command needs a program: its first word.", field="command")
        return self
