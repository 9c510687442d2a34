"""The shim's life: its command line, its files, and an end that is recorded whatever happens."""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import EXIT_RECORD, PLAN, SHIM, SHIM_LOG
from .children import Signals, become_subreaper, keep_files_private
from .gang import Gang
from .lab import run_lab
from .process import identity, sweep
from .record import ExitRecord, read_json, write_atomic
from .replica import workspace_of
from .volumes import link_volumes

__all__ = ("main",)

_USAGE = """\
usage: python -m dllab_hub.shim job RUN_DIRECTORY [--lock-fd N]...
       python -m dllab_hub.shim lab RUN_DIRECTORY --id ID [--lock-fd N]... -- COMMAND..."""


@dataclass(frozen=True)
class _Command:
    kind: str
    run: Path
    id: str
    locks: tuple[int, ...]
    argv: tuple[str, ...]


def _parse(words: Sequence[str]) -> _Command | None:
    """The command line, or None when it is wrong. argparse would take half of the start-up."""
    ahead, argv = list(words), []
    if "--" in ahead:
        at = ahead.index("--")
        ahead, argv = ahead[:at], ahead[at + 1 :]
    if len(ahead) < 2 or len(ahead) % 2:
        return None
    kind, run, *rest = ahead
    id, locks = "", []
    for key, value in zip(rest[::2], rest[1::2], strict=True):
        if key == "--id":
            id = value
        elif key == "--lock-fd" and value.isdigit():
            locks.append(int(value))
        else:
            return None
    if not (kind == "job" and not argv) and not (kind == "lab" and id and argv):
        return None
    return _Command(kind, Path(run).absolute(), id, tuple(locks), tuple(argv))


def main(words: Sequence[str]) -> int:
    """Own a job or a lab until its end.

    Returns:
        2 for a wrong command line; for a lab the code of its server (128 + n for a signal); for a
        job 0 when the exit record says how it ended.
    """
    command = _parse(words)
    if command is None:
        print(_USAGE, file=sys.stderr)
        return 2
    keep_files_private()
    for fd in command.locks:
        os.set_inheritable(fd, False)  # Nobody but this process decides how long a lease lasts.
    output, errors = os.dup(1), os.dup(2)  # Close-on-exec, as all files from here on.
    _own_output(command.run)
    signals = Signals()
    with suppress(PermissionError):  # It leads its session already, as it should.
        os.setsid()
    become_subreaper()
    record = ExitRecord(command.run / EXIT_RECORD)
    write_atomic(command.run / SHIM, {**(identity(os.getpid()) or {}), "started": time.time()})
    if command.kind == "lab":
        return _lab(command, signals, record, output, errors)
    os.close(output)
    os.close(errors)
    return _job(command.run, signals, record)


def _lab(command: _Command, signals: Signals, record: ExitRecord, output: int, errors: int) -> int:
    try:
        state, reason, code = run_lab(
            command.id, command.argv, signals, output=output, errors=errors
        )
    except Exception as exc:  # The end must be recorded and nothing be left, whatever happened.
        traceback.print_exc()
        state, reason, code = "FAILED", f"the lab's supervisor failed: {exc!r}.", 1
        sweep(command.id, children=True)
    record.write(state, reason, 1)
    return code


def _job(run: Path, signals: Signals, record: ExitRecord) -> int:
    plan = read_json(run / PLAN)
    if plan is None:
        record.write("FAILED", "the job's plan is missing or damaged.", 0)
        return 1
    gang = Gang(run, plan, signals)
    code = 0
    try:
        if trouble := link_volumes(plan.get("volumes", {}), workspace_of(plan, run)):
            record.write("FAILED", trouble, 0)
            return 0
        _room_for(sum(role["replicas"] for role in plan["roles"]))
        state, reason = gang.run()
    except Exception as exc:  # The end must be recorded and nothing be left, whatever happened.
        traceback.print_exc()
        state, reason, code = "FAILED", f"the job's supervisor failed: {exc!r}.", 1
        sweep(str(plan.get("id")), children=True)
    record.write(state, reason, gang.attempt)
    return code


def _own_output(run: Path) -> None:
    """Nothing to read, and what is said goes to a file: whoever started us may be gone."""
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(run / SHIM_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(fd, target)
    os.close(null)
    os.close(log)


def _room_for(replicas: int) -> None:
    """A pipe and a log for each replica, and some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * replicas + 64
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
