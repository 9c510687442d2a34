"""One process of one attempt: its environment, and what became of it."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import CHECKPOINTS, MARKER, REPORT, WORKSPACE
from .signals import signal_name

__all__ = (
    "Replica",
    "command_of",
    "environment",
    "free_port",
    "last_traceback",
    "replicas_of",
    "workspace_of",
)

_HEADER = "Traceback (most recent call last):"
#: Most lines of a message that goes on below the exception's own line, as those of C++ do.
_MESSAGE_LINES = 20
_LONGEST_TRACEBACK = 8192
#: The service's own credentials are none of a job's business.
_PRIVATE = ("JUPYTERHUB_", "DLLAB_API_")


@dataclass
class Replica:
    """A process of a gang. It changes while it runs; `wire` is what others see.

    Attributes:
        role: Name of its role.
        index: Number within the role.
        rank: Number within the gang.
        attempt: From 1.
        gpus: UUIDs of its GPUs.
        label: What a server is called instead.
        state: Text of a ``JobState``.
        why: Sentence about its end, empty while it runs and when it went well.
        process: Its number while it runs and nobody else can have it.
        pipe: Descriptor its output is read from, or -1.
    """

    role: str
    index: int
    rank: int
    attempt: int
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
    process: int | None = field(default=None, repr=False)
    pipe: int = -1

    @property
    def name(self) -> str:
        """``worker-0``."""
        return self.label or f"{self.role}-{self.index}"

    def wire(self) -> dict[str, Any]:
        """The same JSON as ``specs.ReplicaStatus.to_wire``; a test holds the two together."""
        return {
            "role": self.role,
            "index": self.index,
            "attempt": self.attempt,
            "state": self.state,
            "pid": self.pid,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "traceback": self.traceback,
            "gpus": list(self.gpus),
            "started": self.started,
            "ended": self.ended,
        }

    def end(self, code: int, now: float, tail: str, *, asked: bool) -> None:
        """It has ended.

        Args:
            code: As in `subprocess`: minus the number when a signal ended it.
            now: Seconds since the epoch.
            tail: End of its log.
            asked: Whether it had been told to end.
        """
        if code < 0:
            self.signal = signal_name(-code)
        else:
            self.exit_code = code
        self.state = "SUCCEEDED" if code == 0 else "CANCELLED" if asked else "FAILED"
        self.pid = self.process = None
        self.ended = now
        if code == 0:
            return
        self.traceback = last_traceback(tail)
        if asked:
            return
        if code < 0:
            self.why = f"{self.name} was ended by {self.signal}."
        else:
            last = _exception(self.traceback)
            self.why = f"{self.name} exited with code {code}{': ' + last if last else ''}."

    def cannot_start(self, reason: str, now: float) -> None:
        """It was never there."""
        self.state = "FAILED"
        self.ended = now
        self.why = f"{self.name} cannot be started: {reason}."


def replicas_of(plan: Mapping[str, Any], attempt: int) -> list[Replica]:
    """The gang of one attempt, by rank.

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
        for index in range(role["replicas"]):
            own, gpus = gpus[: role["gpus"]], gpus[role["gpus"] :]
            gang.append(Replica(role["name"], index, len(gang), attempt, tuple(own), label))
    return gang


def workspace_of(plan: Mapping[str, Any], run: Path) -> Path:
    """Where the code lies and runs."""
    return Path(plan.get("workspace") or run / WORKSPACE)


def command_of(plan: Mapping[str, Any]) -> list[str]:
    """What a replica runs."""
    if "command" in plan:
        return list(plan["command"])
    script, *args = plan["argv"]
    if script.startswith("-"):
        script = f"./{script}"  # A file of this name, not an option of the interpreter.
    return [plan["python"], script, *args]


def environment(
    plan: Mapping[str, Any], run: Path, gang: Sequence[Replica], replica: Replica, port: int
) -> dict[str, str]:
    """The environment of a replica: the shim's own, the plan's ``env``, and the worker's contract.

    All-reduce speaks the environment that torchrun documents
    (https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables), so that a script
    written for torchrun runs unchanged. As there, every replica that has GPUs sees all GPUs of the
    job, by rank, and picks its own with ``LOCAL_RANK``.
    """
    env = {key: value for key, value in os.environ.items() if not key.startswith(_PRIVATE)}
    env |= plan["env"]
    # Tools of the image come first, as after `activate`.
    path = env.get("PATH", os.defpath)
    program = plan["command"][0] if "command" in plan else plan["python"]
    env["PATH"] = f"{Path(program).parent}{os.pathsep}{path}"
    env |= {MARKER: plan["id"], "PYTHONUNBUFFERED": "1"}
    if "command" in plan:
        return env | {"CUDA_VISIBLE_DEVICES": ""}
    size = str(len(gang))
    peers = [other for other in gang if other.role == replica.role]
    visible = [gpu for other in gang for gpu in other.gpus] if replica.gpus else []
    if len(gang) > 1:
        # As torchrun, a little less strict: n ranks that each use all cores only fight.
        cores = len(os.sched_getaffinity(0))
        env.setdefault("OMP_NUM_THREADS", str(max(1, cores // len(gang))))
        # Gloo listens on the address of the host's name, which other machines may reach, and goes
        # down with its interface. All ranks are here.
        env.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return env | {
        "CUDA_VISIBLE_DEVICES": ",".join(visible),
        "DLLAB_JOB_ID": plan["id"],
        "DLLAB_ROLE": replica.role,
        "DLLAB_REPLICA": str(replica.index),
        "DLLAB_ATTEMPT": str(replica.attempt),
        "DLLAB_WORKSPACE": str(workspace_of(plan, run)),
        "DLLAB_CHECKPOINT_DIR": str(run / CHECKPOINTS),
        "DLLAB_CHECKPOINT_EVERY": str(plan["checkpoint_every"]),
        "DLLAB_TENSORBOARD_DIR": str(plan["tensorboard"]),
        "DLLAB_REPORT": str(run / REPORT),
        "DLLAB_VOLUMES": json.dumps(plan.get("volumes", {})),
        "RANK": str(replica.rank),
        "LOCAL_RANK": str(replica.rank),
        "GROUP_RANK": "0",
        "ROLE_RANK": str(replica.index),
        "WORLD_SIZE": size,
        "LOCAL_WORLD_SIZE": size,
        "ROLE_WORLD_SIZE": str(len(peers)),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": plan["id"],
        "TORCHELASTIC_RESTART_COUNT": str(replica.attempt - 1),
        "TORCHELASTIC_MAX_RESTARTS": str(plan["max_restarts"]),
    }


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago, on any address."""
    kind = socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET
    try:
        with socket.socket(kind) as listener:
            listener.bind(("", 0))  # The store of rank 0 listens on all addresses, so ask for all.
            return int(listener.getsockname()[1])
    except OSError:  # IPv6 is compiled in and switched off.
        with socket.socket() as listener:
            listener.bind(("", 0))
            return int(listener.getsockname()[1])


def last_traceback(text: str) -> str:
    """The last Python traceback in a log, or an empty string.

    torch.distributed starts each of its lines with ``[rank0]: ``; that is taken off.
    """
    text = re.sub(r"(?m)^\[rank\d+\]: ?", "", text.replace("\r\n", "\n"))
    start = text.rfind(_HEADER)
    if start < 0:
        return ""
    lines = text[start:].split("\n")
    end = 1
    while end < len(lines) and (lines[end].startswith((" ", "\t")) or not lines[end]):
        end += 1
    stop = end + _MESSAGE_LINES
    while end < min(len(lines), stop) and lines[end]:
        end += 1
    found = "\n".join(lines[:end]).rstrip()
    if len(found) > _LONGEST_TRACEBACK:  # The end says what happened.
        found = f"{_HEADER}\n  ...\n{found[-_LONGEST_TRACEBACK:]}"
    return found


def _exception(traceback: str) -> str:
    """``ValueError: boom`` of a traceback: the first line after the frames, without a full stop."""
    for line in traceback.split("\n")[1:]:
        if line and not line.startswith((" ", "\t")):
            return line[:500].rstrip(" .")
    return ""
