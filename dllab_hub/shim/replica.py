"""One process of one attempt, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .signals import signal_name
from .tracebacks import exception_of, last_traceback, refusal

__all__ = ("Replica", "replicas_of")


@dataclass
class Replica:
    """A process of a gang: a replica, or one of several that a replica has.

    It changes while it runs; `wire` is what others see.

    Attributes:
        role: Name of its role.
        index: Number of the replica within the role.
        rank: Number within the gang.
        attempt: From 1.
        place: Number within the replica.
        processes: How many the replica has.
        gpus: UUIDs of its GPUs; processes that are more than their replica's GPUs share them.
        label: What a server is called instead.
        state: Text of a ``JobState``.
        why: Sentence about its end, empty while it runs and when it went well.
        blame: Sentence for which this shim has killed it, else empty.
        cpu: CPUs that it uses, with what it has started; None before that was measured.
        memory: Bytes that it uses, likewise.
        peak_memory: Most bytes that were measured.
        oom: Whether it ended because the kernel killed for memory; None: not known, or it is not
            about that.
        process: Its number while it runs and nobody else can have it.
        stopped: Number of the signal that has stopped it, 0 while it works.
        pipe: Descriptor its output is read from, or -1.
    """

    role: str
    index: int
    rank: int
    attempt: int
    place: int = 0
    processes: int = 1
    gpus: tuple[str, ...] = ()
    label: str = ""
    state: str = "RUNNING"
    pid: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    traceback: str = ""
    started: float | None = None
    ended: float | None = None
    why: str = ""
    blame: str = ""
    cpu: float | None = None
    memory: int | None = None
    peak_memory: int | None = None
    oom: bool | None = None
    process: int | None = field(default=None, repr=False)
    stopped: int = 0
    pipe: int = -1

    @property
    def replica(self) -> str:
        """``worker-0``: name of the whole replica."""
        return self.label or f"{self.role}-{self.index}"

    @property
    def name(self) -> str:
        """``worker-0``, or ``worker-0.1`` where a replica has several processes."""
        return self.replica if self.processes == 1 else f"{self.replica}.{self.place}"

    def wire(self) -> dict[str, Any]:
        """The same JSON as ``specs.ReplicaStatus.to_wire``; a test holds the two together.

        What is known of its steps the service adds.
        """
        return {
            "role": self.role,
            "index": self.index,
            "process": None if self.processes == 1 else self.place,
            "attempt": self.attempt,
            "state": self.state,
            "stopped": bool(self.stopped),
            "pid": self.pid,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "traceback": self.traceback,
            "gpus": list(self.gpus),
            "started": self.started,
            "ended": self.ended,
            "cpu": self.cpu,
            "memory": self.memory,
            "peak_memory": self.peak_memory,
            "oom": self.oom,
        }

    def end(self, code: int, now: float, tail: str, *, told: str = "") -> None:
        """It has ended.

        Args:
            code: As in `subprocess`: minus the number when a signal ended it.
            now: Seconds since the epoch.
            tail: End of its log.
            told: Its state when it had been told to end, whatever its code; else empty.
        """
        if code < 0:
            self.signal = signal_name(-code)
        else:
            self.exit_code = code
        self.state = "SUCCEEDED" if code == 0 else told or "FAILED"
        self.pid = self.process = None
        self.stopped = 0
        self.ended = now
        if self.state == "SUCCEEDED":
            return
        self.traceback = last_traceback(tail)
        if told:
            return
        if self.signal == "SIGKILL":  # Who is killed cannot say so: that one was about less.
            self.traceback = ""
        if self.blame:
            self.why = self.blame
        elif code < 0:
            self.why = f"{self.name} was ended by {self.signal}."
        else:
            last = exception_of(self.traceback) or refusal(tail)
            self.why = f"{self.name} exited with code {code}{': ' + last if last else ''}."

    def cannot_start(self, reason: str, now: float) -> None:
        """It was never there."""
        self.state = "FAILED"
        self.ended = now
        self.why = f"{self.name} cannot be started: {reason}."


def replicas_of(plan: Mapping[str, Any], attempt: int) -> list[Replica]:
    """The processes of one attempt, by rank: role by role, replica by replica.

    Raises:
        ValueError: the plan holds fewer GPUs than its roles need.
    """
    gpus = list(plan["gpus"])
    needed = sum(role["replicas"] * role["gpus"] for role in plan["roles"])
    if needed > len(gpus):
        raise ValueError(f"{needed} GPUs are needed and the job was given {len(gpus)}.")
    gang: list[Replica] = []
    label = plan["name"] if "command" in plan else ""
    for role in plan["roles"]:
        processes = role.get("processes") or 1
        for index in range(role["replicas"]):
            own, gpus = gpus[: role["gpus"]], gpus[role["gpus"] :]
            share = len(own) // processes  # 0: they share.
            for place in range(processes):
                part = own[place * share : (place + 1) * share] if share else own
                gang.append(
                    Replica(
                        role["name"],
                        index,
                        len(gang),
                        attempt,
                        place,
                        processes,
                        tuple(part),
                        label,
                    )
                )
    return gang
