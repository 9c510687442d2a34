"""What the machine or the container of a lab has left: `Host`."""

from __future__ import annotations

from .wire import Value

__all__ = ("Disk", "Host")


class Disk(Value):
    """What one file system has left.

    Attributes:
        name: Of the volume, or ``home``.
        used: Bytes.
        total: Bytes.
    """

    name: str
    used: int
    total: int


class Host(Value):
    """CPU and memory in use, against the limits of the container if there is one, else against
    what the machine has. What cannot be read is None, never 0.

    Attributes:
        time: Seconds since the epoch.
        container: Whether there are limits of a container (cgroup v1 or v2).
        cpu: CPUs in use, over the last seconds; None at the first look.
        cpus: CPUs that may be used.
        memory: Bytes in use that cannot be given back at once.
        memory_limit: Bytes that may be used.
        disks: Each file system once, as far as it can be read.
    """

    time: float
    container: bool = False
    cpu: float | None = None
    cpus: float | None = None
    memory: int | None = None
    memory_limit: int | None = None
    disks: tuple[Disk, ...] = ()
