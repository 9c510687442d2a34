"""Runs a lab's server: one child, its signals, and nothing left when it is gone."""

from __future__ import annotations

import os
import select
import time

from . import MARKER
from .children import reap, start
from .memory import memory_kills
from .process import sweep
from .signals import Signals, signal, signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("run_lab",)

#: Seconds for a server to shut its kernels down. JupyterHub gives 10 before its next signal.
_GRACE = 8.0


def run_lab(
    id: str, argv: Sequence[str], signals: Signals, *, output: int, errors: int
) -> tuple[str, str, int]:
    """Run the lab to its end; nothing of it is left then.

    Args:
        id: Of the lab; marks its processes.
        argv: Command of its server, which gets this process's environment and directory.
        signals: SIGTERM or SIGINT ends the server with SIGTERM, and SIGKILL 8 s later.
        output: Where its standard output goes.
        errors: Where its standard error goes.

    Returns:
        Name of its last state, the sentence that explains it, and the code to exit with.
    """
    env = dict(os.environ) | {MARKER: id}
    killed_before = memory_kills() or 0
    try:
        server = start(argv, env=env, output=output, errors=errors)
    except (OSError, ValueError) as exc:
        why = f"{exc.strerror}: {exc.filename}" if isinstance(exc, OSError) else str(exc)
        return "FAILED", f"the lab's server cannot be started: {why}.", 127
    asked = False
    deadline: float | None = None
    code: int | None = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        select.select([signals], [], [], left)
        numbers = signals.read()
        if signal.SIGCHLD in numbers:
            code = next((code for pid, code in reap() if pid == server), None)
        if code is not None:
            break
        if not asked and numbers & {signal.SIGTERM, signal.SIGINT}:
            asked = True
            deadline = time.monotonic() + _GRACE
            os.kill(server, signal.SIGTERM)  # Not reaped, so nobody else's number.
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(server, signal.SIGKILL)
            deadline = None
    sweep(id, children=True)
    if asked:
        state, reason = "CANCELLED", "the lab was stopped."
    elif code == 0:
        state, reason = "SUCCEEDED", ""
    elif code == -signal.SIGKILL and (memory_kills() or 0) > killed_before:
        state, reason = "FAILED", "the lab's server was killed because memory ran out."
    elif code < 0:
        state, reason = "FAILED", f"the lab's server was ended by {signal_name(-code)}."
    else:
        state, reason = "FAILED", f"the lab's server exited with code {code}."
    return state, reason, code if code >= 0 else 128 - code
