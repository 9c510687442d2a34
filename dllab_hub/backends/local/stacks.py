"""Where the replicas of a job are just now, by ``py-spy``, as the job's own account."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ...diagnosis import COLLECTIVES
from ...errors import Unavailable
from ...plaintext import inert
from ...shim.process import uid_of
from ...specs import Frame, JobState, ReplicaStatus, Stack, TrainingJob
from .account import Account

__all__ = ("stacks_of",)

#: Seconds for one process, and for all of a job: at the worst there is time for two after another.
_PATIENCE, _IN_ALL = 10.0, 20.0
#: With fewer seconds left no process is begun with: it would be said not to answer.
_LEAST = 1.0
#: Processes looked into at a time, and in all: a job of 1024 is told of its first ones.
_AT_ONCE, _MOST = 4, 64
_MOST_FRAMES, _OUTER = 60, 40
#: A process that works while it is looked into may move away under the look.
_TRIES = 3
#: Frames at the inner end among which a collective operation is looked for.
_INNER = 20
_LONGEST = 300
#: Where a process waits for others without a function of ours being named: the C++ behind these.
_ENDS = (
    ("torch/autograd/graph.py", "_engine_run_backward"),
    ("tensorflow/python/eager/execute.py", "quick_execute"),
)


def stacks_of(job: TrainingJob, account: Account) -> tuple[Stack, ...]:
    """The stack of each replica that runs. Blocks for `_IN_ALL` seconds at the worst.

    Nothing is stopped for it. Of a process that was not reached in that time it is said.

    Args:
        job: As it is now.
        account: Whose processes they are; looked into with no more rights than theirs.

    Raises:
        Unavailable: ``py-spy`` is not installed, or the processes are on other machines.
    """
    running = [one for one in job.replicas if one.state is JobState.RUNNING]
    alive = [one for one in running if one.pid][:_MOST]
    if running and not alive:
        raise Unavailable(
            "the processes of this job run in pods of a cluster, which are not looked into.",
            hint="An administrator can: kubectl exec, and py-spy dump.",
        )
    if not alive:
        return ()
    program = _program()
    give_up = time.monotonic() + _IN_ALL
    with ThreadPoolExecutor(_AT_ONCE, "dllab-stacks") as pool:
        return tuple(pool.map(lambda one: _stack(program, one, job, account, give_up), alive))


def _program() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise Unavailable(
            "py-spy is not installed, which looks into processes.",
            hint="Ask the administrator to install it: pip install py-spy",
        )
    return found


def _stack(
    program: str, one: ReplicaStatus, job: TrainingJob, account: Account, give_up: float
) -> Stack:
    pid = one.pid or 0
    # What the job's files say of its processes is the job's; only its account's are looked into.
    if uid_of(pid) != account.uid:
        return Stack(replica=one.name, pid=pid, error="the process has ended.")
    if one.stopped:
        # A process that is stopped cannot be told from one that does not answer.
        return Stack(replica=one.name, pid=pid, error="the process is stopped by a signal.")
    error = f"there was no time for it: the others took {_IN_ALL:.0f} s."
    for _ in range(_TRIES):
        patience = min(_PATIENCE, give_up - time.monotonic())
        if patience < min(_LEAST, _PATIENCE):
            break
        try:
            done = _run(program, pid, account, patience)
        except subprocess.TimeoutExpired:
            error = f"it did not answer in {patience:.0f} s."
            break
        except OSError as exc:
            error = f"py-spy cannot be started: {exc.strerror}."
            break
        frames = [] if done.returncode else _main(done.stdout)
        if frames:
            return Stack(
                replica=one.name,
                pid=pid,
                frames=tuple(_frame(each, job.workspace) for each in frames),
                waits=_waits(frames),
            )
        error = _trouble(done.stderr) if done.returncode else "it has no Python stack."
    return Stack(replica=one.name, pid=pid, error=error)


def _run(
    program: str, pid: int, account: Account, patience: float
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        # Not waiting for it to be stopped: what hangs in the kernel would never be.
        [program, "dump", "--json", "--nonblocking", "--pid", str(pid)],
        capture_output=True,
        timeout=patience,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        cwd="/",
        check=False,
        user=account.uid if account.name else None,
        group=account.gid if account.name else None,
        extra_groups=[] if account.name else None,
    )


def _main(out: bytes) -> list[Mapping[str, Any]]:
    """Frames of the main thread, innermost first."""
    try:
        threads = json.loads(out)
        main = [one for one in threads if one.get("thread_name") == "MainThread"] or threads
        frames: list[Mapping[str, Any]] = [
            one for one in main[0]["frames"] if isinstance(one, dict)
        ]
        # The outer ones have the person's own line, such as an import.
        return frames if len(frames) <= _MOST_FRAMES else frames[:_INNER] + frames[-_OUTER:]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return []


def _frame(one: Mapping[str, Any], workspace: str) -> Frame:
    file, line = str(one.get("filename") or ""), one.get("line")
    if workspace:
        file = file.removeprefix(f"{workspace}/")
    return Frame(
        function=inert(str(one.get("name") or "?"))[:_LONGEST],
        file=inert(file)[:_LONGEST],
        line=line if isinstance(line, int) and line > 0 else 0,
    )


def _waits(frames: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it is within an operation that needs the others."""
    inner = [(str(one.get("filename")), str(one.get("name"))) for one in frames[:_INNER]]
    if any(inner[0][0].endswith(file) and inner[0][1] == name for file, name in _ENDS):
        return True
    return any(
        name in COLLECTIVES and ("torch/distributed/" in file or "tensorflow/" in file)
        for file, name in inner
    )


def _trouble(err: bytes) -> str:
    """Why it cannot be looked into, as a sentence."""
    said = err.decode("utf-8", "replace")
    if "ermission" in said or "EPERM" in said or "not permitted" in said:
        return (
            "this machine lets no process look into another (kernel.yama.ptrace_scope, or a "
            "container without SYS_PTRACE)."
        )
    if "No such process" in said or "Failed to open process" in said:
        return "the process has ended."
    if "find python version" in said.lower() or "Failed to find" in said:
        return "it is no Python process, or of a version that py-spy does not know."
    lines = [line for line in said.splitlines() if line.strip()]
    return inert(lines[-1] if lines else "py-spy failed.").strip()[:_LONGEST]
