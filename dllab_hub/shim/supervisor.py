"""The shim's life: its command line, its files, and an end that is recorded whatever happens.

A lab's shim imports this file, those that it names here, and nothing else: see ``signals.py``.
"""

from __future__ import annotations

import os
import sys
import time

from . import EXIT_RECORD, SHIM, SHIM_LOG
from .children import become_subreaper, keep_files_private
from .process import identity, sweep
from .signals import Signals
from .writing import ExitRecord, flat_json, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("main",)

_USAGE = """\
usage: python -m dllab_hub.shim job RUN_DIRECTORY [--lock-fd N]...
       python -m dllab_hub.shim lab RUN_DIRECTORY --id ID [--lock-fd N]... -- COMMAND..."""


class _Command:
    """The command line; made once and only read, and `dataclass` would take longer than a start."""

    def __init__(
        self, kind: str, run: str, id: str, locks: Sequence[int], argv: Sequence[str]
    ) -> None:
        self.kind = kind
        self.run = run
        self.id = id
        self.locks = locks
        self.argv = argv


def _parse(words: Sequence[str]) -> _Command | None:
    """The command line, or None when it is wrong."""
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
    return _Command(kind, os.path.join(os.getcwd(), run), id, locks, argv)


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
    if os.getpgrp() != os.getpid():  # Else it leads its session already, as it should.
        os.setsid()
    become_subreaper()
    record = ExitRecord(os.path.join(command.run, EXIT_RECORD))
    about = {**(identity(os.getpid()) or {}), "started": time.time()}
    replace(os.path.join(command.run, SHIM), flat_json(about))
    if command.kind == "lab":
        return _lab(command, signals, record, output, errors)
    os.close(output)
    os.close(errors)
    # Only for a job: each of these takes as long as a lab's shim in all.
    from pathlib import Path

    from .job import run_job

    return run_job(Path(command.run), signals, record)


def _lab(command: _Command, signals: Signals, record: ExitRecord, output: int, errors: int) -> int:
    from .lab import run_lab

    try:
        state, reason, code = run_lab(
            command.id, command.argv, signals, output=output, errors=errors
        )
    except Exception as exc:  # The end must be recorded and nothing be left, whatever happened.
        sys.excepthook(type(exc), exc, exc.__traceback__)
        state, reason, code = "FAILED", f"the lab's supervisor failed: {exc!r}.", 1
        sweep(command.id, children=True)
    record.write(state, reason, 1)
    return code


def _own_output(run: str) -> None:
    """Nothing to read, and what is said goes to a file: whoever started us may be gone."""
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(os.path.join(run, SHIM_LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(fd, target)
    os.close(null)
    os.close(log)
