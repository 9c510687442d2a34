"""Why something waits or has failed, and what a person can do: `Diagnosis`.

The same words for labs, training workers and replicas, on one machine and on a cluster.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .wire import Value

__all__ = ("Cause", "Diagnosis", "Remedy")


class Cause(StrEnum):
    """What is in the way."""

    ENVIRONMENT_MISSING = "environment_missing"
    ENVIRONMENT_BUILDING = "environment_building"
    IMAGE_PULL = "image_pull"
    NO_FREE_GPU = "no_free_gpu"
    NO_NODE = "no_node"
    QUOTA = "quota"
    VOLUME = "volume"
    PORT_TAKEN = "port_taken"
    DISK_FULL = "disk_full"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    GPU_OUT_OF_MEMORY = "gpu_out_of_memory"
    KILLED = "killed"
    EXCEPTION = "exception"
    SHAPE = "shape"
    MISSING_MODULE = "missing_module"
    STALLED = "stalled"
    TIME_LIMIT = "time_limit"
    PEER = "peer"
    LOST = "lost"
    STARTING = "starting"


class Remedy(StrEnum):
    """What a person can do about it, as a button."""

    SMALLER = "smaller"
    CPU = "cpu"
    WAIT = "wait"
    RETRY = "retry"
    CANCEL = "cancel"


class Diagnosis(Value):
    """One cause in plain words.

    Attributes:
        cause: What is in the way.
        message: A sentence for people; names nobody else's things.
        hint: What to do about it; may be empty.
        final: Whether waiting cannot help.
        remedies: What can be done with one click, best first.
        gpus: With ``smaller``: a number of GPUs that would start now.
        log: The last lines of what crashed.
        replica: Who failed first, such as ``worker-3``; empty where it is not about one.
        attempt: In which attempt; None where it is not about one.
        traceback: Its last Python traceback; may be empty.
    """

    cause: Cause
    message: str
    hint: str = ""
    final: bool = False
    remedies: tuple[Remedy, ...] = ()
    gpus: int | None = None
    log: tuple[str, ...] = Field(default=(), max_length=50)
    replica: str = ""
    attempt: int | None = None
    traceback: str = ""
