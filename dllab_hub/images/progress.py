"""How far a build is: written beside the environment by the builder, read by whoever shows it.

``<env>.progress`` is JSON, ``{"percent": 0 to 100 or null, "line", "pid", "time"}``. It counts only
while the builder holds ``<env>.lock``: the file of one that was killed means nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ("Meter", "Progress", "Step", "beside", "read")


@dataclass(frozen=True)
class Step:
    """One state of a build.

    Attributes:
        line: What is being done, such as ``downloading torch``.
        percent: Of the whole build, 0 to 100; None when nobody can tell.
    """

    line: str
    percent: int | None = None

    def __str__(self) -> str:
        return self.line if self.percent is None else f"{self.percent} %: {self.line}"


#: Gets each step of a build.
Meter = Callable[[Step], None]


def beside(env: Path, ending: str) -> Path:
    """``<env>.<ending>``, such as ``<env>.lock``."""
    return env.with_name(f"{env.name}.{ending}")


class Progress:
    """Keeps the file of one build up to date, and tells a meter the same.

    Args:
        env: Place of the environment.
        meter: Gets each step too.
    """

    def __init__(self, env: Path, meter: Meter) -> None:
        self._file = beside(env, "progress")
        self._meter = meter
        self._last: Step | None = None

    def __call__(self, line: str, percent: float | None = None) -> None:
        """Say what is being done; the file is written when that is news."""
        step = Step(line, None if percent is None else max(0, min(100, int(percent))))
        if step == self._last:
            return
        self._last = step
        text = json.dumps({**vars(step), "pid": os.getpid(), "time": time.time()})
        partial = self._file.with_name(f"{self._file.name}.tmp")
        partial.write_text(text + "\n")
        partial.chmod(0o644)
        partial.replace(self._file)
        self._meter(step)

    def end(self) -> None:
        """There is no build any more."""
        self._file.unlink(missing_ok=True)


def read(env: Path) -> Step | None:
    """The step that a living builder of this environment has reached, or None without one."""
    try:
        found = json.loads(beside(env, "progress").read_text())
        step = Step(str(found["line"]), found["percent"])
        lock = beside(env, "lock").open("rb")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with lock:
        try:
            # Shared: two readers do not take each other for a builder.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return step
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)
    return None
