"""`Gang`: runs all replicas of a job, and runs them all again when one of them fails."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import ATTEMPTS, CHECKPOINTS, EVENTS, LOGS, STATE
from .children import reap, start
from .logs import Logs
from .process import sweep
from .record import NO_ROOM, Events, write_atomic
from .replica import Replica, command_of, environment, free_port, replicas_of, workspace_of
from .signals import Signals, signal

__all__ = ("Gang",)

#: Seconds between asking the rest of a gang to end and killing it, after one has failed. A rank
#: that waits for the dead one has said so by then; what follows is torch taking itself apart.
_FAILURE_GRACE = 0.5
#: Seconds after which a killed process that is still there is worth a word.
_STUCK = 10.0
#: Most bytes taken out of a pipe at once, so that one replica cannot starve the others.
_PIECE = 64 * 1024
#: Most bytes taken from a pipe whose replica has ended: a grandchild may write for ever.
_LEFT_IN_PIPE = 4 * 1024 * 1024
#: Bytes of a server's log, which never ends; the bytes before are kept once.
_SERVER_LOG = 4 * 1024 * 1024


class Gang:
    """The replicas of one job, attempt after attempt. Single-threaded: one loop waits for all.

    Args:
        run: The job's run directory.
        plan: Content of ``plan.json``.
        signals: SIGTERM and SIGINT cancel the job.
    """

    def __init__(self, run: Path, plan: Mapping[str, Any], signals: Signals) -> None:
        self.attempt = 0
        self._run = run
        self._plan = plan
        self._signals = signals
        self._events = Events(run / EVENTS)
        self._started = time.time()
        self._state, self._reason, self._port = "RUNNING", "", 0
        self._written: dict[str, Any] = {}
        self._gang: list[Replica] = []
        self._failed: Replica | None = None
        self._hopeless = False  # Another attempt would meet the same.
        self._cancelled = False
        self._deadline: float | None = None
        self._killed = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ)

    def run(self) -> tuple[str, str]:
        """Run the job to its end; nothing of it is left then.

        Returns:
            Name of its last ``JobState``, and the sentence that explains it.
        """
        (self._run / CHECKPOINTS).mkdir(mode=0o700, exist_ok=True)
        while True:
            self.attempt += 1
            self._one_attempt()
            if self._cancelled or not self._failed or not self._goes_on():
                break
        if self._cancelled:
            what = "it was told to end." if "command" in self._plan else "the job was cancelled."
            state, reason = "CANCELLED", what
        elif self._failed:
            state, reason = "FAILED", self._failed.why
            if restarts := self.attempt - 1:
                what = "It" if "command" in self._plan else "The job"
                reason += f" {what} had been restarted {_times(restarts)}."
        else:
            state, reason = "SUCCEEDED", ""
        self._become(state, reason)
        self._events.add(state.capitalize(), reason or "every replica returned 0.")
        return state, reason

    @property
    def _last(self) -> int:
        """Number of the last attempt there can be."""
        return int(self._plan["max_restarts"]) + 1

    def _goes_on(self) -> bool:
        """Whether there is another attempt after a failure."""
        return not self._hopeless and self.attempt < self._last

    def _one_attempt(self) -> None:
        before, self._failed = self._failed, None
        self._deadline, self._killed = None, False
        self._gang = replicas_of(self._plan, self.attempt)
        names = [replica.name for replica in self._gang]
        if "command" in self._plan:
            self._logs = Logs(self._run / LOGS, names, limit=_SERVER_LOG)
        else:
            self._logs = Logs(self._run / ATTEMPTS / str(self.attempt), names)
        self._launch(before)
        while any(replica.process for replica in self._gang):
            for key, _ in self._selector.select(self._patience()):
                if isinstance(key.data, Replica):
                    self._pump(key.data)
                else:
                    self._hear()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._kill()
            self._show()
        if left := sweep(self._plan["id"], children=True):
            self._events.add("ProcessesLeft", f"processes {left} cannot be killed.")
        for replica in self._gang:
            self._close(replica)
        self._logs.close()
        self._hear()  # What came during the sweep.
        if self._logs.dropped:
            self._events.add("LogsDropped", f"{self._logs.dropped} bytes of logs were lost.")

    def _launch(self, before: Replica | None) -> None:
        self._state, self._reason = "RUNNING", ""
        if before:
            self._reason = f"attempt {self.attempt} of {self._last}, because {before.why}"
        self._port = free_port()
        for replica in self._gang:
            self._start(replica)
            if self._failed:
                break
        self._show()
        if not self._failed:
            count = len(self._gang)
            what = f"{count} replicas" if count > 1 else "1 replica"
            self._events.add("Started", f"attempt {self.attempt} with {what}.")

    def _start(self, replica: Replica) -> None:
        workspace = workspace_of(self._plan, self._run)
        env = environment(self._plan, self._run, self._gang, replica, self._port)
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        try:
            replica.process = start(
                command_of(self._plan), env=env, output=write, cwd=str(workspace)
            )
        except (OSError, ValueError) as exc:
            os.close(read)
            why = f"{exc.strerror}: {exc.filename}" if isinstance(exc, OSError) else str(exc)
            replica.cannot_start(why, time.time())
            self._hopeless = True
            self._fail(replica)
            return
        finally:
            os.close(write)
        replica.pid = replica.process
        replica.started = time.time()
        replica.pipe = read
        self._selector.register(read, selectors.EVENT_READ, replica)

    def _hear(self) -> None:
        """Act on the signals that have come."""
        numbers = self._signals.read()
        if signal.SIGCHLD in numbers:
            # The kernel hands out the eldest first. A rank that a signal ended is the likely cause
            # of errors in the others, so it goes first when several ended at once.
            running = {replica.pid: replica for replica in self._gang if replica.process}
            codes = sorted(reap(), key=lambda ended: ended[1] >= 0)
            ended = [(running[pid], code) for pid, code in codes if pid in running]
            for replica, _ in ended:  # All, before the first of them makes others end.
                replica.process = None  # Its number may be somebody else's from now on.
            for replica, code in ended:
                self._end(replica, code)
        if not self._cancelled and numbers & {signal.SIGTERM, signal.SIGINT}:
            if self._is_decided():
                return
            self._cancelled = True
            self._reason = "cancelling."
            self._events.add("CancelRequested", "the replicas were asked to end.")
            self._ask(self._plan["grace"])

    def _is_decided(self) -> bool:
        """Whether it is too late to cancel: it has succeeded, or failed for the last time."""
        if self._failed:
            return not self._goes_on()
        return bool(self._gang) and all(replica.state == "SUCCEEDED" for replica in self._gang)

    def _end(self, replica: Replica, code: int) -> None:
        self._pump(replica, _LEFT_IN_PIPE)
        asked = self._cancelled or self._failed is not None
        replica.end(code, time.time(), self._logs.tail(replica.name), asked=asked)
        if replica.state == "FAILED":
            self._fail(replica)
        elif asked and replica.rank == 0:
            self._deadline = time.monotonic()  # Only replica 0 has something to save.

    def _fail(self, replica: Replica) -> None:
        self._failed = replica
        self._events.add("ReplicaFailed", replica.why)
        self._reason = replica.why
        if self._goes_on():
            self._state = "RESTARTING"
            follows = f"attempt {self.attempt + 1} of {self._last} follows."
            self._reason += f" A{follows[1:]}"
            self._events.add("Restarting", follows)
        self._ask(_FAILURE_GRACE)

    def _ask(self, grace: float) -> None:
        """SIGTERM now; SIGKILL after ``grace`` seconds or when replica 0 has ended."""
        for replica in self._gang:
            if replica.process:
                os.kill(replica.process, signal.SIGTERM)
        if not self._killed:
            due = time.monotonic() + (grace if self._gang[0].process else 0.0)
            self._deadline = due if self._deadline is None else min(due, self._deadline)

    def _kill(self) -> None:
        running = [replica for replica in self._gang if replica.process]
        if self._killed:
            names = ", ".join(replica.name for replica in running)
            self._events.add("Stuck", f"{names} was killed and has not ended; waiting for it.")
            self._deadline = None
            return
        for replica in running:
            assert replica.process is not None
            os.kill(replica.process, signal.SIGKILL)  # Not reaped yet, so nobody else's number.
        self._killed = True
        self._deadline = time.monotonic() + _STUCK

    def _patience(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _pump(self, replica: Replica, most: int = _PIECE) -> None:
        """Take what the replica has written, at most so many bytes."""
        while most > 0 and replica.pipe >= 0:
            try:
                data = os.read(replica.pipe, _PIECE)
            except BlockingIOError:
                return
            if not data:
                self._selector.unregister(replica.pipe)
                os.close(replica.pipe)
                replica.pipe = -1
                return
            most -= len(data)
            if not self._logs.dropped:
                self._logs.write(replica.name, data)
                if self._logs.dropped:
                    self._events.add("LogsDropped", "the disk is full: logs are being lost.")
            else:
                self._logs.write(replica.name, data)

    def _close(self, replica: Replica) -> None:
        self._pump(replica, _LEFT_IN_PIPE)
        self._logs.end(replica.name)
        if replica.pipe >= 0:
            self._selector.unregister(replica.pipe)
            os.close(replica.pipe)
            replica.pipe = -1

    def _become(self, state: str, reason: str) -> None:
        self._state, self._reason = state, reason
        self._show()

    def _show(self) -> None:
        """Write ``state.json`` when something in it has changed."""
        state = {
            "state": self._state,
            "reason": self._reason,
            "attempt": self.attempt,
            "replicas": [replica.wire() for replica in self._gang],
            "started": self._started,
            "master_port": self._port,
        }
        if state == self._written:
            return
        try:
            write_atomic(self._run / STATE, state)
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise
        else:
            self._written = state


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
