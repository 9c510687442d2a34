"""How a replica's container ended, in one sentence with its last lines."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from ..specs import Cause, Diagnosis, Remedy
from .lines import lines

__all__ = ("crashing", "ended")

_TRACEBACK = "Traceback (most recent call last):"
#: What the end of one replica does to the others.
_ASKED = {128 + signal.SIGTERM, 128 + signal.SIGKILL}
#: Containers that are started again and again: after so many times, waiting is vain.
_TIRED = 3


def ended(over: Mapping[str, Any], name: str) -> tuple[Diagnosis, bool]:
    """What became of it.

    Args:
        over: ``state.terminated`` of a container whose exit code is not 0.
        name: Of the replica.

    Returns:
        The diagnosis, and whether it may only have been told to end, as when another one failed.
    """
    code, text = int(over.get("exitCode") or 0), str(over.get("message") or "")
    traceback = text[text.rindex(_TRACEBACK) :].strip() if _TRACEBACK in text else ""
    if over.get("reason") == "OOMKilled":
        said, cause = f"{name} used more memory than it may, and was killed.", Cause.OUT_OF_MEMORY
        hint = "Give each replica more memory, or use a smaller batch."
    elif word := _signal(code - 128):
        said, cause = f"{name} was ended by {word}.", Cause.KILLED
        hint = ""
    else:
        said, cause = f"{name} exited with code {code}.", Cause.CRASHED
        hint = "Its last lines say more."
        if code == 127:
            said, hint = f"{name} had nothing to run: no such program in its image.", ""
    made = Diagnosis(
        cause=cause,
        message=said,
        hint=hint,
        remedies=(Remedy.RETRY, Remedy.CANCEL),
        log=lines(text),
        replica=name,
        traceback=traceback,
    )
    return made, code in _ASKED and cause is not Cause.OUT_OF_MEMORY


def crashing(container: Mapping[str, Any], name: str) -> Diagnosis:
    """One that is started again and again.

    Args:
        container: Its status; what it said last is in ``lastState``.
        name: Of the replica.
    """
    times = int(container.get("restartCount") or 0)
    over = (container.get("lastState") or {}).get("terminated") or {}
    how = ended(over, name)[0] if over else None
    often = f"{times} times" if times > 1 else "once" if times else "already"
    if how is not None and how.cause is Cause.OUT_OF_MEMORY:
        said = f"{name} used more memory than it may; it was started again {often}."
    else:
        code = over.get("exitCode")
        with_code = f" with code {code}" if code is not None else ""
        said = f"{name} ends as soon as it starts{with_code}; it was started again {often}."
    return Diagnosis(
        cause=how.cause if how else Cause.CRASHED,
        message=said,
        hint=how.hint if how else "",
        final=times >= _TIRED,
        remedies=(Remedy.RETRY, Remedy.CANCEL),
        log=how.log if how else (),
        replica=name,
        traceback=how.traceback if how else "",
    )


def _signal(number: int) -> str:
    """Its name; empty for what is none."""
    try:
        return signal.Signals(number).name if number > 0 else ""
    except ValueError:
        return ""
