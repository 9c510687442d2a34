"""Why a lab or a replica of a deployment waits, or has failed."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Conflict, DLLabError, NoCapacity, StorageFull, Unavailable
from ..specs import (
    Cause,
    DeploymentReplica,
    Diagnosis,
    Forecast,
    Image,
    Remedy,
    ReplicaState,
)

__all__ = (
    "building",
    "crashed",
    "disk_full",
    "missing",
    "no_free_gpu",
    "of_error",
    "of_replica",
    "port_taken",
    "sentence",
    "starting",
    "to_error",
)

#: Lines of a log that are kept with a crash.
_KEPT = 20
#: What a log says when it is not the program's own fault, the most telling first.
_SIGNS: tuple[tuple[Cause, re.Pattern[str]], ...] = (
    (Cause.DISK_FULL, re.compile(r"No space left on device|Disk quota exceeded|ENOSPC")),
    (Cause.PORT_TAKEN, re.compile(r"Address already in use|port \d+ is already in use", re.I)),
    (
        Cause.OUT_OF_MEMORY,
        re.compile(r"\bMemoryError\b|Cannot allocate memory|CUDA out of memory|OutOfMemoryError"),
    ),
)
_ERRORS: dict[Cause, type[DLLabError]] = {
    Cause.NO_FREE_GPU: NoCapacity,
    Cause.QUOTA: NoCapacity,
    Cause.DISK_FULL: StorageFull,
    Cause.VOLUME: Conflict,
}
_AGAIN = (Remedy.RETRY, Remedy.CANCEL)


def building(image: Image) -> Diagnosis:
    """The image's environment is being built; ``image.progress`` says how far it is."""
    far = f": {image.progress.rstrip('.')}" if image.progress else ""
    return Diagnosis(
        cause=Cause.ENVIRONMENT_BUILDING,
        message=f"{image.title} is being built{far}.",
        hint="The lab starts when it is done.",
        remedies=(Remedy.WAIT, Remedy.CANCEL),
    )


def missing(name: str, title: str = "") -> Diagnosis:
    """The image's environment is not there, or its build ended without one.

    Args:
        name: Of the image, which has been checked.
        title: Of the image.
    """
    return Diagnosis(
        cause=Cause.ENVIRONMENT_MISSING,
        message=f"The environment of {title or name} is not built.",
        hint=f"Choose another image, or ask the administrator to run: dllab env build {name}",
        final=True,
        remedies=_AGAIN,
    )


def no_free_gpu(wanted: int, forecast: Forecast) -> Diagnosis:
    """The GPUs that were asked for are not free.

    Args:
        wanted: How many, at least 1.
        forecast: For that number; says who holds them.
    """
    never = forecast.answer == "never"
    smaller = forecast.smaller or None
    remedies = [Remedy.SMALLER] if smaller else []
    remedies += [Remedy.CPU] if never else [Remedy.CPU, Remedy.WAIT]
    what = "one GPU" if wanted == 1 else f"{wanted} GPUs"
    return Diagnosis(
        cause=Cause.NO_FREE_GPU,
        message=f"You asked for {what}. {sentence(forecast.message)}",
        hint="Choose fewer." if never else "Choose fewer, or wait until some are given back.",
        final=never,
        remedies=(*remedies, Remedy.CANCEL),
        gpus=smaller,
    )


def disk_full(where: str) -> Diagnosis:
    """No room is left.

    Args:
        where: What lies on that disk, such as ``your home``.
    """
    return Diagnosis(
        cause=Cause.DISK_FULL,
        message=f"The disk that holds {where} is full.",
        hint="Delete what is not needed, then try again.",
        final=True,
        remedies=_AGAIN,
    )


def port_taken(port: int) -> Diagnosis:
    """Another program listens where this one should."""
    return Diagnosis(
        cause=Cause.PORT_TAKEN,
        message=f"Port {port} is taken by another program.",
        hint="Try again: another port is chosen.",
        final=True,
        remedies=_AGAIN,
    )


def of_error(exc: OSError, where: str) -> Diagnosis | None:
    """What an error of the operating system means, or None when it needs no doctor.

    Args:
        exc: The error.
        where: What was written, such as ``your home``.
    """
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(where)
    return None


def crashed(
    what: str, log: Sequence[str], record: Mapping[str, Any] | None = None, when: str = ""
) -> Diagnosis:
    """A process has ended that should not have.

    Args:
        what: Subject of the sentence, such as ``the lab's server``.
        log: What it said, oldest line first.
        record: Exit record of its shim (``state``, ``reason``), when there is one.
        when: Continues ``what ended``, such as ``while it started``.
    """
    lines = [line.rstrip()[:300] for line in log if line.strip()]
    reason = str((record or {}).get("reason", ""))
    cause = _cause(lines, reason)
    ended = f"{what} ended{f' {when}' if when else ''}"
    last = lines[-1].strip() if lines else ""
    if cause is Cause.OUT_OF_MEMORY:
        return Diagnosis(
            cause=cause,
            message=sentence(f"{ended}: there was not enough memory"),
            hint="Close other labs and jobs, or use less data at once, then try again.",
            final=True,
            remedies=_AGAIN,
            log=tuple(lines[-_KEPT:]),
        )
    if cause in (Cause.DISK_FULL, Cause.PORT_TAKEN):
        known = disk_full("its files") if cause is Cause.DISK_FULL else None
        return Diagnosis(
            cause=cause,
            message=known.message if known else sentence(f"{ended}: its port was taken"),
            hint=known.hint if known else "Try again: another port is chosen.",
            final=True,
            remedies=_AGAIN,
            log=tuple(lines[-_KEPT:]),
        )
    return Diagnosis(
        cause=Cause.CRASHED,
        message=sentence(f"{ended}: {last or reason.rstrip('.') or 'it said nothing'}"),
        hint="Its last lines say more.",
        final=True,
        remedies=_AGAIN,
        log=tuple(lines[-_KEPT:]),
    )


def of_replica(replica: DeploymentReplica, log: Sequence[str] = ()) -> Diagnosis | None:
    """Why a replica waits or has failed; None when it does neither.

    Args:
        replica: As its backend tells it.
        log: Its last lines, oldest first.
    """
    if replica.state is ReplicaState.STARTING:
        return starting(replica.reason)
    if replica.state in (ReplicaState.FAILED, ReplicaState.RESTARTING):
        return crashed(replica.name, log, {"reason": replica.reason})
    return None


def to_error(diagnosis: Diagnosis) -> DLLabError:
    """The same as an error: its status, and the field that could be changed."""
    kind = _ERRORS.get(diagnosis.cause, Unavailable)
    field = "gpus" if kind is NoCapacity else ""
    return kind(diagnosis.message, hint=diagnosis.hint, field=field)


def starting(reason: str) -> Diagnosis:
    """It waits, for the reason given."""
    said = reason.rstrip(".") or "it is being started"
    return Diagnosis(
        cause=Cause.STARTING, message=sentence(said), remedies=(Remedy.WAIT, Remedy.CANCEL)
    )


def _cause(lines: Sequence[str], reason: str) -> Cause:
    """The end of a log tells; further up it may be somebody's own text."""
    end = "\n".join(lines[-_KEPT:])
    for cause, sign in _SIGNS:
        if sign.search(end):
            return cause
    killed = "SIGKILL" in reason or "memory ran out" in reason
    return Cause.OUT_OF_MEMORY if killed else Cause.CRASHED


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
