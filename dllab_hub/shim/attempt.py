"""`Attempt`: the processes of a gang from their launch until nothing of them is left."""

from __future__ import annotations

import os
import re
import selectors
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import ATTEMPTS, LOGS
from .children import changes, start
from .environment import environment, program_of, workspace_of
from .logs import Logs
from .output import Output
from .ports import Ports
from .process import sweep
from .record import Events
from .replica import Replica, replicas_of
from .signals import signal
from .strategy import asked_first, is_over, ports_needed, saving, strategy_of
from .tracebacks import exception_of, is_collateral, was_told
from .verdict import out_of_memory

__all__ = ("Attempt",)

#: Seconds that the others have once those that save have ended.
_REST = 1.0
#: This part of the grace is for those that are asked first; then it is everybody's.
_FIRST_PART = 0.8
#: Seconds after which a killed process that is still there is worth a word.
_STUCK = 10.0
#: Bytes of a server's log, which never ends; the bytes before are kept once.
_SERVER_LOG = 4 * 1024 * 1024
#: Seconds from the launch in which an address that is in use is taken for one of ours.
_LAUNCHING = 60.0
#: Characters of a log in which those that a signal ends may say why.
_END = 8192
_IN_USE = re.compile("address already in use|EADDRINUSE", re.IGNORECASE)


class Attempt:
    """One attempt. It does what it is told; what its ends mean for the job, `gang.Gang` says.

    Attributes:
        number: From 1.
        gang: Its processes, by rank.
        ports: Those that it holds.
        failed: Who failed first, if anybody.
        over: Whether all whose success ends the job have succeeded.
        port_taken: Whether somebody else was faster with one of its ports.
        overdue: Whether somebody who may have had something to save had to be killed.

    Args:
        run: The job's run directory.
        plan: Content of ``plan.json``.
        number: From 1.
        selector: Of the loop; see `output.Output`.
        events: Of the job.

    Raises:
        ValueError: the plan holds fewer GPUs than its roles need.
    """

    def __init__(
        self,
        run: Path,
        plan: Mapping[str, Any],
        number: int,
        selector: selectors.BaseSelector,
        events: Events,
    ) -> None:
        self.number = number
        self.gang = replicas_of(plan, number)
        self.ports: list[int] = []
        self.failed: Replica | None = None
        self.over = self.port_taken = self.overdue = False
        self._due: float | None = None  # Then who still runs is killed,
        self._turn: float | None = None  # and then the others are told to end too.
        self._run, self._plan, self._events = run, plan, events
        self._held = Ports()
        self._told: set[int] = set()
        self._collateral = False  # Who failed says no more than that another one is gone.
        self._rest = _REST
        self._killed = False
        self._began = time.monotonic()
        names = [replica.name for replica in self.gang]
        if "command" in plan:
            logs = Logs(run / LOGS, names, limit=_SERVER_LOG)
        else:
            logs = Logs(run / ATTEMPTS / str(number), names)
        self.output = Output(logs, selector, events)

    @property
    def running(self) -> list[Replica]:
        """Its processes that have not ended."""
        return [replica for replica in self.gang if replica.process]

    def launch(self) -> Replica | None:
        """Start all.

        Returns:
            One that cannot be started; those behind it were not tried.
        """
        self.ports = self._held.take(ports_needed(self._plan, self.gang))
        for replica in self.gang:
            if not self._start(replica):
                return replica
        return None

    def collect(self) -> tuple[list[tuple[Replica, int]], list[tuple[Replica, int]]]:
        """What has become of the processes.

        Returns:
            The ended ones with their code, the likely cause of the others' ends first; and those
            that were stopped, with the signal's number, or go on, with 0.
        """
        codes, stops = changes()
        pids = {replica.process: replica for replica in self.running}
        ended = []
        for pid, code, peak in codes:
            if replica := pids.get(pid):
                replica.peak_memory = max(peak, replica.peak_memory or 0) or None
                ended.append((replica, code))
        # The kernel hands out the eldest first. Who ends the job by its success is not undone by
        # what that makes of others; and one that a signal ended is the likely cause of errors in
        # the others, so it goes first when several ended at once.
        role = self._plan.get("success_role")
        ended.sort(key=lambda one: (one[1] != 0 or one[0].role != role, one[1] >= 0))
        for replica, _ in ended:  # All, before the first of them makes others end.
            replica.process = None  # Its number may be somebody else's from now on.
        stopped = [(pids[pid], number) for pid, number in stops.items() if pid in pids]
        return ended, [(replica, number) for replica, number in stopped if replica.process]

    def end(self, replica: Replica, code: int, tail: str, told: str) -> None:
        """One has ended; see `Replica.end`.

        Who failed only because another one was gone did not fail first, though it may have ended
        first: a process takes its time to end. Then that other one is the one that ``FAILED``.
        """
        replica.end(code, time.time(), tail, told=told)
        if replica.oom and replica.signal and replica.state == "FAILED":
            replica.why = out_of_memory(replica)
        if replica.state == "FAILED" and self.failed is None:
            self._collateral = is_collateral(replica.traceback or tail[-_END:])
        elif self._is_rather(replica):
            replica.state = "FAILED"
            replica.why = f"{replica.name} failed: {exception_of(replica.traceback)}."
            if self.failed:
                self.failed.state = "CANCELLED"
        early = time.monotonic() - self._began < _LAUNCHING
        by_itself = code not in (0, -signal.SIGTERM, -signal.SIGKILL)
        failed = by_itself and replica.state != "SUCCEEDED"
        # Who was given no port means one of its own, which is not free the next time either.
        if early and failed and self.ports and _IN_USE.search(tail):
            self.port_taken = True
        self.over = self.over or (not told and is_over(self._plan, self.gang))

    @property
    def deadline(self) -> float | None:
        """When to call `enforce`, as of `time.monotonic`; None when nobody was told to end."""
        return min((time for time in (self._due, self._turn) if time is not None), default=None)

    def ask(self, grace: float, *, rest: float = _REST) -> None:
        """Tell all to end: SIGTERM now, SIGKILL after ``grace`` seconds.

        Those whose success ends the job are told first, the others when those have ended, or when
        most of the grace is over. Nobody is waited for longer than ``rest`` seconds once all have
        ended that may have something to save.
        """
        self._rest = min(rest, self._rest)
        first = [one for one in asked_first(self._plan, self.gang) if one.process] or self.running
        self._terminate(first)
        if len(first) < len(self.running) and self._due is None:
            self._turn = time.monotonic() + _FIRST_PART * grace
        self._hurry(grace if self._savers() else min(grace, self._rest))

    def go_on_ending(self) -> None:
        """One that was told to end has: is it the others' turn?"""
        if self._turn and not any(one.process for one in asked_first(self._plan, self.gang)):
            self._tell_all()
        if not self._savers():
            self._hurry(self._rest)

    def dismiss(self) -> None:
        """The job has succeeded: whoever still runs may end now."""
        self._terminate(self.running)
        self._hurry(self._plan["grace"] if strategy_of(self._plan) == "custom" else _REST)

    def enforce(self) -> None:
        """The deadline has passed: it is the others' turn, or whoever still runs is killed."""
        if self._due is None or time.monotonic() < self._due:
            self._tell_all()
            return
        running = self.running
        if self._killed:
            names = ", ".join(replica.name for replica in running)
            self._events.add("Stuck", f"{names} was killed and has not ended; waiting for it.")
            self._due = None
            return
        self.overdue = bool(self._savers())
        self._turn = None
        self.kill(running)
        self._killed = True
        self._due = time.monotonic() + _STUCK

    def kill(self, replicas: list[Replica]) -> None:
        """SIGKILL, now."""
        for replica in replicas:
            if replica.process:  # Not reaped yet, so nobody else's number.
                os.kill(replica.process, signal.SIGKILL)

    def close(self) -> None:
        """All have ended: kill what they have left behind, and give everything back."""
        if left := sweep(self._plan["id"], children=True):
            self._events.add("ProcessesLeft", f"processes {left} cannot be killed.")
        self.output.close(self.gang)
        self._held.release()

    def _start(self, replica: Replica) -> bool:
        workspace = workspace_of(self._plan, self._run)
        env = environment(self._plan, self._run, self.gang, replica, self.ports)
        program = program_of(self._plan, replica)
        write = self.output.open(replica)
        try:
            replica.process = start(program, env=env, output=write, cwd=str(workspace))
        except (OSError, ValueError) as exc:
            why = f"{exc.strerror}: {exc.filename}" if isinstance(exc, OSError) else str(exc)
            replica.cannot_start(why, time.time())
            return False
        finally:
            os.close(write)
        replica.pid = replica.process
        replica.started = time.time()
        return True

    def _is_rather(self, replica: Replica) -> bool:
        """Whether one that was told to end is the cause of the failure that has been seen."""
        first = self.failed
        return (
            first is not None
            and first is not replica
            and replica.state == "CANCELLED"
            and self._collateral
            and not was_told(replica.traceback)
            and not is_collateral(replica.traceback)
        )

    def _tell_all(self) -> None:
        self._turn = None
        self._terminate(self.running)

    def _savers(self) -> list[Replica]:
        return [replica for replica in saving(self._plan, self.gang) if replica.process]

    def _terminate(self, replicas: list[Replica]) -> None:
        """SIGTERM, once: a second one would disturb the save that the first has begun."""
        for replica in replicas:
            if replica.process and replica.rank not in self._told:
                self._told.add(replica.rank)
                os.kill(replica.process, signal.SIGTERM)
                # One that is stopped cannot save; to all others this says nothing.
                os.kill(replica.process, signal.SIGCONT)

    def _hurry(self, seconds: float) -> None:
        if not self._killed:
            due = time.monotonic() + seconds
            self._due = due if self._due is None else min(due, self._due)
