"""What a look at a job's code has found, as the process that looked says it. It is a stranger's."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import InvalidRequest
from ...shim.signals import signal_name
from ...specs import Finding

__all__ = ("limit", "understood")

_LOG = logging.getLogger(__name__)
_MOST = 50


def understood(
    said: Iterable[Mapping[str, Any]], code: int, why: str, complaint: str
) -> list[Finding]:
    """What was found.

    Args:
        said: What the process said, line by line.
        code: How it ended, as in `subprocess`.
        why: What it was ended for, or empty.
        complaint: What its interpreter said.
    """
    found: list[Finding] = []
    at: Mapping[str, Any] = {}
    done = False
    crash = ""
    for line in said:
        if isinstance(line.get("found"), list):
            found = _findings(line["found"])
        if isinstance(line.get("at"), dict):
            at = line["at"]
        done |= line.get("done") is True
        crash = str(line.get("crash", "")) or crash
    if done and not why:
        return found
    if crash:
        _LOG.warning("A look at a job failed: %s", crash)
    return [*found, _unfinished(code, why, at, crash or complaint)]


def _unfinished(code: int, why: str, at: Mapping[str, Any], complaint: str) -> Finding:
    """The look was cut short."""
    if not why and code < 0:
        why = f"{signal_name(-code)} ended it"
        if -code == signal.SIGXCPU:
            why = "it took too much processor time"
    if not why:
        last = complaint.strip().rpartition("\n")[2]
        why = f"it failed: {last}" if last else f"it ended with code {code}"
    what = str(at.get("what", ""))[:200]
    subject = f"{what} was tried, and" if what else "the code was looked at, and"
    line = at.get("line")
    return limit(
        f"{subject} {why[:300].rstrip('.')}.",
        file=str(at.get("file", "")),
        line=line if isinstance(line, int) and line > 0 else None,
    )


def _findings(lines: Sequence[object]) -> list[Finding]:
    found = []
    for line in lines[:_MOST]:
        with contextlib.suppress(InvalidRequest):  # The process is the person's: see above.
            found.append(Finding.from_wire(line))
    return found


def limit(message: str, *, file: str = "", line: int | None = None) -> Finding:
    """The look itself did not come to its end; a job is not kept from running by that."""
    return Finding(
        check="limits",
        severity="warning",
        message=message,
        hint="The job can be started all the same.",
        file=file,
        line=line,
    )
